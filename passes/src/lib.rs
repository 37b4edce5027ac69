//! The passes of hlac, one file each.
