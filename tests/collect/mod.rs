//! Sources: what is in a cloud comes into the store, once, whatever happens.

mod cloud;
mod cts;
mod partner;
