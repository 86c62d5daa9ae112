//! Layer 6: jobs: mounts volumes, picks them, commits receipts to the catalog.
