//! Parts, apart from whole requests, which the catalogue has.
