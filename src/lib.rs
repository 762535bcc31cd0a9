//! RotatePat rotates an Azure DevOps personal access token from a pipeline, and never leaves anybody without a valid one.
//!
//! A run has two stages. The main stage ([`rotation::main_stage`]) signs in, looks at what exists, makes a [`plan`], and where that
//! says so creates a new token, proves it and hands it to the job. The settle stage ([`rotation::settle`]), after the job's other
//! steps, commits it and retires the old one where the job has succeeded.
//!
//! # Layout
//!
//! From the roof down; each room imports only from the rooms below it, and a test holds that.
//!
//! | room | what |
//! |---|---|
//! | [`app`] | which command and stage to run, and how the process ends |
//! | [`workstation`] | a person signs in once with a browser |
//! | [`check`] | what a rotation needs, proved in the tenant where it will run |
//! | [`report`] | which tokens expire, and whose they are |
//! | [`rotation`] | the two stages, the only place that acts on personal access tokens |
//! | [`sign_in`] | a token that acts for a user, one file a source |
//! | [`destinations`] | where the new value goes, one file a kind |
//! | [`app_tokens`] | the service connection signs in as its own app |
//! | [`context`], [`failure`] | what every acting part is given, and how a step and a stage fail |
//! | [`azure`] | the services, one file each: what is asked and what the answers mean |
//! | [`http`] | sends requests; the only room that names the HTTP client and TLS |
//! | [`settings`] | inputs and environment, parsed once into types that cannot be wrong |
//! | [`agent`] | all that the pipeline agent is: environment, logging commands, hand-off, job status, cancellation |
//! | [`runtime`] | the clock, and every limit on waiting |
//! | [`plan`] | what to do and why, and whether it may still be committed: pure |
//! | [`advice`] | what a refusal means, and the one thing to do: pure |
//! | [`model`] | values; they import nothing but each other |

pub mod advice;
pub mod agent;
pub mod app;
pub mod app_tokens;
pub mod azure;
pub mod check;
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
