"""Several devices and several processes: the mesh, joining, and what to do when one is lost."""
