"""Maps of scans in the forms that hospitals use: NIfTI, DICOM."""
