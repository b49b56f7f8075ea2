//! The command line: one file a subcommand.
//!
//! Exit code 0 only on success, 1 for a proof that does not hold, 2 for bad usage or malformed files.

mod audit;
mod commit;
#[cfg(feature = "evm")]
mod contract;
mod engine;
mod evaluate;
mod failure;
mod inputs;
mod inspect;
mod machine;
mod preflight;
mod progress;
mod prove;
mod quantise;
mod range;
mod run;
mod segments;
mod setup;
mod srs;
mod verify;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Zero-knowledge proofs that a committed neural network produced this output from this input.
#[derive(Parser)]
#[command(name = "inferproof", version, about)]
struct Arguments {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what a file is: an ONNX model, a quantised model, a key, an SRS, a proof.
    Inspect(inspect::Inspect),
    /// Measure this machine once, so that `inspect` predicts its times.
    CalibrateMachine(machine::CalibrateMachine),
    /// Turn an ONNX model into an exact integer model, with an accuracy report.
    Quantise(quantise::Quantise),
    /// Measure a quantised model on its task, and against the float model if that is given.
    Evaluate(evaluate::Evaluate),
    /// Make or import a structured reference string.
    #[command(subcommand)]
    Srs(srs::Srs),
    /// Cut a quantised model into segments that are proved apart and verified as one.
    Split(segments::Split),
    /// Commit to a tensor, to what passes between segments, or to the weights of a new version of a model.
    Commit(commit::Commit),
    /// Plan the circuit, commit to the weights, write the keys.
    Setup(setup::Setup),
    /// Run the integer model without proving.
    Run(run::Run),
    /// Prove one execution.
    Prove(prove::Prove),
    /// Prove, once for a model, that its secret weights lie in a declared range; `audit` verifies it.
    ProveRange(range::ProveRange),
    /// Verify a proof.
    Verify(verify::Verify),
    /// Compile a published model again and compare its programId: once, before proofs under it are relied on.
    Audit(audit::Audit),
    /// Verify on an EVM chain: contracts, calldata, keys as data.
    #[cfg(feature = "evm")]
    #[command(subcommand)]
    Contract(contract::Contract),
}

/// What a command prints: one object, or text.
struct Outcome {
    json: serde_json::Value,
    text: String,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // What is no error is help or the version.
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            return report(Err(Failure::Unusable(error.to_string())), true);
        }
        Err(error) => error.exit(),
    };
    // The proving backend reads this variable, and panics unless it is a number.
    if std::env::var_os("MAX_DEGREE").is_some_and(|v| v.to_str().is_none_or(|v| v.parse::<usize>().is_err())) {
        let message = "the environment variable MAX_DEGREE must be a number or unset";
        return report(Err(Failure::Unusable(message.into())), arguments.json);
    }
    let result = match &arguments.command {
        Command::Inspect(command) => command.run(),
        Command::CalibrateMachine(command) => command.run(),
        Command::Quantise(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Srs(command) => command.run(),
        Command::Split(command) => command.run(),
        Command::Commit(command) => command.run(),
        Command::Setup(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Prove(command) => command.run(),
        Command::ProveRange(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Audit(command) => command.run(),
        #[cfg(feature = "evm")]
        Command::Contract(command) => command.run(),
    };
    report(result, arguments.json)
}

fn report(result: Result<Outcome, Failure>, json: bool) -> ExitCode {
    match result {
        Ok(outcome) => {
            print(if json { format!("{:#}", outcome.json) } else { outcome.text });
            ExitCode::SUCCESS
        }
        Err(failure) => {
            if json {
                print(format!("{:#}", failure.to_json()));
            } else {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Prints without panicking when the reader has gone.
fn print(text: String) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}
