//! Layer 2: pure codecs of SCSI commands and replies. No I/O, no state.
