"""Stacks of slices: DICOM series and NIfTI files, from files, folders and zips; a slice of one is a picture."""
