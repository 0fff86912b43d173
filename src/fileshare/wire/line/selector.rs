//! `a=file-selector` (RFC 5547 §6): names, types, sizes and hashes of one file.
