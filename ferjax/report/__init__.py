"""Pictures, tables and one HTML page of a run, made from the files of its workdir alone."""
