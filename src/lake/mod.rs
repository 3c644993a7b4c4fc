//! The lake room.
