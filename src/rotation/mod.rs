//! The stages that act on personal access tokens. Nothing else does.

mod abandon;
mod create;
pub mod main_stage;
pub mod many;
mod many_results;
pub mod outcome;
mod publish;
pub mod result_file;
pub mod settle;
pub mod settle_command;
pub mod settle_stage;
pub mod summary;
mod survey;
mod verify;
