//! Who asks from outside: the command line, SDKs, and readers of the table.

mod command_line;
mod deploy;
mod sdks;
mod terminal;
mod tls;
