//! Layer 3: a medium changer: inventory and moves. A stranger to the drive.
