//! Layer 5: archive, restore, verify, scan: plans in, receipts out.
//!
//! Gets mounted volumes, asks a source of volumes for the next, and knows neither
//! changer nor catalog.
