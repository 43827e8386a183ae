"""Volumes: DICOM series and NIfTI files, read strictly, on a grid of known place in the patient.

    content     which files are DICOM or NIfTI, told by their bytes
    contents    a folder's files -> pictures and volumes, looked at in children (`survey_in`)
    stored      a volume decoded in a child, and its voxels mapped by the parent (`store_volume`)
    dicom       a folder's files -> series (`survey`), a series -> a `Volume` (`read_series`)
                  dicom_file -> headers (acceptance, tags) -> frames -> series
    nifti       a file -> a `Volume` (`read_nifti`), by way of nifti_header; sidecar is the
                  JSON file beside it, nifti_contrast what that and the name say
    volume      the noun: voxels and where they lie; its identity; its canonical orientation
    slices      a volume -> normalised slices of one plane, and maps of slices -> the volume's grid
    bids        subject, session and suffix from BIDS names
    contrast    a hint at T1w, T2w, FLAIR, ... from names, descriptions and timing

Nothing here trusts a file: sizes are checked before memory is taken, and whatever is wrong ends
as a `RejectedFile` with its reason. A decoder may die of a file or hang all the same: flows read
by way of `contents` and `stored`, through `mriad_model.isolation`.

pydicom warns, and logs, quoting values. It is silenced while a file is read, which is a setting
of the whole process: read from one thread.
"""
