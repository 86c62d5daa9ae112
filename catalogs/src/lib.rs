#![forbid(unsafe_code)]
//! The Tapewright catalog: ledger, entry files, index and queries.
