//! The simulator's own tests: that it is faithful to the published examples, as nasty as it says, and that its faults do
//! what they promise. They speak HTTP over a bare socket, so that no client's kindness is in between.

mod access;
mod agent_users;
mod authorization_codes;
mod bare;
mod budget;
mod certificates;
mod confidential_clients;
mod device_codes;
mod endpoints;
mod entra_and_vault;
mod faults;
mod front;
mod graph;
mod managed_identities;
mod members;
mod passwords;
mod pats;
mod tenants;
mod token_admin;
mod variable_groups;
