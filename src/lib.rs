//! RotatePat rotates an Azure DevOps personal access token from a pipeline, and never leaves anybody without a valid one.
//!
//! A run has two stages. The main stage ([`rotate`]) signs in, looks at what exists, makes a [`plan`], and where that
//! says so creates a new token, proves it and hands it to the job. The settle stage ([`settle`]), after the job's other
//! steps, commits it and retires the old one where the job has succeeded.
//!
//! # Layout
//!
//! | module | what |
//! |---|---|
//! | [`secret`], [`timestamp`], [`text`], [`pat`], [`listed`], [`allowance`] | values; know nothing of each other's users |
//! | [`certificate`], [`private_key`] | what signs for an app, and what a passphrase protects |
//! | [`plan`], [`look`] | what to do and whether it may be committed: pure |
//! | [`advice`] | what a refusal means, and the one thing to do about it: pure |
//! | [`settings`] | the task's inputs and the agent's environment, read once |
//! | [`azure`] | the services, one file each; the only place that names the HTTP client |
//! | [`sign_in`] | a token that acts for a user, one file a source |
//! | [`destinations`] | where the new value goes, one file a kind |
//! | [`workstation`] | the sign-in of a person, done once |
//! | [`rotate`], [`settle`], [`hand_over`] | the two stages that act, and what one leaves for the other |
//! | [`report`] | which tokens are about to expire, and whose they are |
//! | [`commands`], [`outcome`] | what the agent reads, and how a stage ends in words |
//! | [`work`], [`clock`], [`limits`], [`cancel`] | what an acting part is given |
//! | [`crash`] | how the program ends when it should not |

pub mod advice;
pub mod agent;
pub mod app;
pub mod azure;
pub mod context;
pub mod destinations;
pub mod failure;
pub mod http;
pub mod model;
pub mod plan;
pub mod report;
pub mod rotation;
pub mod runtime;
pub mod settings;
pub mod sign_in;
pub mod workstation;
