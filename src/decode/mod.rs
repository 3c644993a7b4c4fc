//! The decode room.
