//! What a person sees: standard output and error, colours, and a sign of life while waiting.
//!
//! Data goes to standard output, everything else to standard error.

use std::{
    future::Future,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::errors::CliError;

/// Whatever takes longer than this shows that it is alive.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// Writes to standard output.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    io::stdout()
        .lock()
        .write_all(bytes)
        .map_err(|source| CliError::Write { source })
}

/// Makes sure that standard output has everything.
pub(crate) fn flush() -> Result<(), CliError> {
    io::stdout()
        .lock()
        .flush()
        .map_err(|source| CliError::Write { source })
}

/// Writes a line to standard error. Nobody can be told that this failed.
pub(crate) fn note(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// This program, as it can be typed again: by its path if it was started by its path.
pub(crate) fn program() -> String {
    let typed = std::env::args_os().next().unwrap_or_default();
    let typed = typed.to_string_lossy();
    match typed.contains('/') && !typed.contains(char::is_whitespace) {
        true => typed.into_owned(),
        false => "mainstem".to_owned(),
    }
}

/// Colours of a terminal, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    coloured: bool,
}

impl Paint {
    /// For standard output: colours only for a terminal, and never if NO_COLOR is set.
    pub(crate) fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            coloured: io::stdout().is_terminal() && !refused,
        }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { coloured: false }
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Colours whatever stands at the other end.
    #[cfg(test)]
    pub(crate) fn coloured() -> Self {
        Self { coloured: true }
    }

    fn wrap(self, colour: &str, text: &str) -> String {
        match self.coloured {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// Awaits `work`; once it takes long, shows `doing` and a clock to whoever watches.
pub(crate) async fn while_waiting<T>(doing: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(SILENCE_MAX) => {}
    }
    let target = match is_watched() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let spinner = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.set_message(doing.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    spinner.finish_and_clear();
    done
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits_by_three() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(541_909), "541,909");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
