//! Tests of what must always hold: the store on both databases, the use cases on it, steps, and faults.

mod accounts_cancel;
mod accounts_diagnosis;
mod accounts_operators;
mod accounts_password;
mod accounts_request;
mod budget;
mod cli;
mod cli_admins;
mod cli_documents;
mod cli_env;
mod cli_operators;

mod crash;
mod database_troubles;
mod doctor;
mod doctor_practice;
mod doctor_rights;
mod enumeration;
mod keycloak_hides;
mod leaving;
mod outages;
mod points;
mod process;
mod restored;
mod service;
mod settings;
mod setup;
mod steps;
mod steps_alone;
mod store_audit;
mod store_economy;
mod store_flush;
mod store_jobs;
mod store_requests;
mod store_schema;
mod waits;
