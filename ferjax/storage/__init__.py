"""Folders in object storage, `gs://` and `s3://`, worked on as local copies, see docs/object_storage.md."""
