//! The fault catalogue: each fault is played against the program as a process, and each time exit code, message, run
//! report, lake, rows and the silence about the key are judged. What a case does not say is what `verdict` expects.

mod answers;
mod bill;
mod bodies;
mod conditions;
mod control;
mod destination;
mod environment;
mod expected;
mod links;
mod many_runs;
mod names;
mod network;
mod proxies;
mod readers_suffered;
mod scene;
mod shapes;
mod signals;
mod status;
mod strings;
mod tls;
mod values;
mod verdict;
mod waits;
mod warnings;
