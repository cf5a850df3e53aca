//! The screen, in a real browser.

mod screen;
