//! `hookyard check`: says what `serve` would say to this configuration, without serving.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::EXIT_BAD_CONFIG;
use crate::config::{Config, ConfigError, Diagnostic, Severity};
use crate::live::Generation;

/// Loads the configuration by the function that `serve` uses, its secrets resolved and its
/// verifiers built. Problems go to stderr and a summary to stdout; with `json` all of it to stdout.
///
/// Exit code 78 when `serve` would refuse the configuration; a file that cannot be read is one too.
pub(crate) fn run(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let (config, warnings) = match Generation::load(file) {
        Ok((generation, warnings)) => (generation.config, warnings),
        Err(error) => {
            if json {
                writeln!(
                    std::io::stdout(),
                    "{:#}",
                    report(None, error.diagnostics(), &unreadable(&error))
                )?;
            } else {
                eprintln!("{error}");
            }
            return Ok(ExitCode::from(EXIT_BAD_CONFIG));
        }
    };
    if json {
        writeln!(std::io::stdout(), "{:#}", report(Some(&config), &warnings, &[]))?;
    } else {
        for warning in &warnings {
            eprintln!("{warning}\n");
        }
        writeln!(std::io::stdout(), "{}", summary(&config))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(config: &Config) -> String {
    let routes = config.routes.len();
    format!("ok: {routes} route{}", if routes == 1 { "" } else { "s" })
}

/// What has no place in the file.
fn unreadable(error: &ConfigError) -> Vec<String> {
    if error.diagnostics().is_empty() { vec![error.to_string()] } else { Vec::new() }
}

fn report(config: Option<&Config>, placed: &[Diagnostic], errors: &[String]) -> serde_json::Value {
    let placed = placed.iter().map(|problem| {
        let severity = match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "severity": severity,
            "message": problem.message(),
            "help": problem.help(),
            "line": problem.line(),
            "column": problem.column(),
        })
    });
    let others = errors.iter().map(|message| json!({ "severity": "error", "message": message }));
    json!({
        "ok": config.is_some(),
        "routes": config.map(|config| config.routes.len()),
        "plugins": config.map(|config| config.plugins.len()),
        "problems": placed.chain(others).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn checked(text: &str, json: bool) -> ExitCode {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).expect("written");
        run(&file, json).expect("an exit code")
    }

    #[test]
    fn what_serve_would_refuse_exits_with_78() {
        const UNSET: &str = "[[route]]\npath = \"/a\"\nprovider = \"github\"\nhandlers = \"a/b\"\n\
                             secret = { env = \"HOOKYARD_TEST_UNSET\" }\n";
        let refused = ExitCode::from(EXIT_BAD_CONFIG);
        for json in [false, true] {
            assert_eq!(checked("", json), ExitCode::SUCCESS);
            assert_eq!(checked("[sever]\n", json), refused);
            assert_eq!(checked(UNSET, json), refused, "a secret that is not there");
            assert_eq!(checked("[outbound]\nca = \"ca.pem\"\n", json), refused, "no such file");
            assert_eq!(run(Path::new("/nonexistent/config.toml"), json).expect("a code"), refused);
        }
    }

    #[test]
    fn the_report_has_what_a_program_needs() {
        let parse = |text: &str| config::parse(Path::new("config.toml"), text);
        let error = parse("[server]\nlisten = \"here\"\n").expect_err("no address");
        let report_of_error = report(None, error.diagnostics(), &unreadable(&error));
        assert_eq!(report_of_error["ok"], false);
        let problem = &report_of_error["problems"][0];
        assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(10)));
        assert_eq!(problem["severity"], "error");

        let (config, warnings) = parse(
            "[plugin.a]\n[[route]]\npath = \"/a\"\nverify = \"none\"\nid = \
                 \"json:/id\"\nhandlers = \"a/b\"\n",
        )
        .expect("valid");
        assert_eq!(summary(&config), "ok: 1 route");
        let report_of_warning = report(Some(&config), &warnings, &[]);
        assert_eq!(
            (&report_of_warning["ok"], &report_of_warning["routes"]),
            (&json!(true), &json!(1))
        );
        assert_eq!(report_of_warning["problems"][0]["severity"], "warning");
    }
}
