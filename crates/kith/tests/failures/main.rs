//! What goes wrong from outside: each is refused with an error that says what happened, why and what
//! to do, and afterwards the node works on and everything that it acknowledged is still there.

#[path = "../../../kith-app/tests/archive/mod.rs"]
mod archive;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../support/mod.rs"]
mod support;

mod bundles;
mod doors;
mod hostile;
mod links;
mod member;
mod messages;
mod peers;
mod unharmed;
