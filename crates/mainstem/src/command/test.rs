//! `test`: runs an application's `tests/*.flow`, and says what is not as expected.

use std::path::{Path, PathBuf};

use mainstem_app::OneMachine;
use mainstem_disk::{Disk, RealDisk, write_durably};
use mainstem_node::{BeyondOneMachine, Config};

use crate::{
    args::{Engine, Test},
    command::serve::read_config,
    errors::CliError,
    failure::{Failure, Outcome},
    flowtest::{self, Case, Edit, Played, Scale, Script},
    folder::{AppFolder, read_text},
    screen::{self, Paint},
};

/// Folder of an application with its tests.
const FOLDER: &str = "tests";
const ENDING: &str = ".flow";

/// A file of cases.
#[derive(Debug)]
struct FlowFile {
    path: PathBuf,
    /// As it is shown.
    name: String,
    text: String,
    script: Script,
}

/// How all cases went.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    failed: usize,
    /// Expectations that were rewritten.
    updated: usize,
    /// Cases and expectations that were not tried.
    skipped: usize,
}

/// Runs the cases of an application.
pub(crate) fn test(options: &Test) -> Outcome {
    let app = AppFolder::read(&options.folder)?;
    let mut stage = stage(&app, options)?;
    let files = read_files(&options.folder)?;
    let mut tally = Tally::default();
    for file in &files {
        run_file(&mut *stage, file, options, &mut tally)?;
    }
    let Tally {
        cases,
        failed,
        updated,
        skipped,
    } = tally;
    if cases + skipped == 0 {
        return Err(CliError::NoCase {
            folder: options.folder.clone(),
            filter: options.filter.clone(),
        }
        .into());
    }
    let name = &app.source.name;
    let totals = flowtest::totals(cases, failed);
    screen::note(&format!("application \"{name}\": {totals}"));
    if skipped > 0 {
        screen::note(&format!("{skipped} not tried, for the reasons above"));
    }
    if updated > 0 {
        let s = if updated == 1 { "" } else { "s" };
        screen::note(&format!("{updated} expectation{s} rewritten"));
    }
    match failed {
        0 => Ok(()),
        _ => Err(CliError::Unexpected {
            folder: options.folder.clone(),
            cases,
            failed,
        }
        .into()),
    }
}

/// Plays a case.
type Stage<'a> = Box<dyn FnMut(&Case) -> Outcome<Played> + 'a>;

/// Where cases are played, for an application without mistakes there.
fn stage<'a>(app: &'a AppFolder, options: &Test) -> Outcome<Stage<'a>> {
    let located = |problems| app.locate(Failure::all(problems));
    Ok(match options.engine {
        Engine::Embedded => {
            mainstem_app::check(&app.source, &OneMachine).map_err(located)?;
            Box::new(|case| flowtest::play(&app.source, case))
        }
        Engine::Cluster => {
            let checked = mainstem_app::checked(&app.source, &BeyondOneMachine);
            let config = match &options.config {
                Some(path) => read_config(path)?,
                None => Config::defaults()?,
            };
            let mut scale = Scale::new(&app.source, checked.map_err(located)?, config);
            Box::new(move |case| scale.play(case))
        }
    })
}

/// All files of cases, by name; all mistakes at once.
fn read_files(folder: &Path) -> Outcome<Vec<FlowFile>> {
    let tests = folder.join(FOLDER);
    let stat = RealDisk.stat(&tests);
    let is_there = stat.map_err(|source| unreadable(&tests, source))?.is_some();
    let mut names: Vec<String> = Vec::new();
    if is_there {
        let entries = RealDisk.list(&tests);
        let entries = entries.map_err(|source| unreadable(&tests, source))?;
        let files = entries.into_iter().filter(|entry| !entry.is_dir);
        names.extend(files.map(|entry| entry.name));
    }
    names.retain(|name| name.ends_with(ENDING));
    names.sort();
    let (mut files, mut failure) = (Vec::new(), Failure::default());
    for name in names {
        let path = tests.join(&name);
        let text = read_text(&path)?;
        let name = path.display().to_string();
        match flowtest::parse(&name, &text) {
            Ok(script) => files.push(FlowFile {
                path,
                name,
                text,
                script,
            }),
            Err(problems) => {
                let mut mistakes = Failure::all(problems);
                for shown in &mut mistakes.problems {
                    shown.excerpt_from(&text, &name);
                }
                failure.problems.append(&mut mistakes.problems);
            }
        }
    }
    match failure.problems.is_empty() {
        true => Ok(files),
        false => Err(failure),
    }
}

/// Runs the cases of a file that are asked for, and rewrites what they expect if that is asked for.
fn run_file(
    stage: &mut dyn FnMut(&Case) -> Outcome<Played>,
    file: &FlowFile,
    options: &Test,
    tally: &mut Tally,
) -> Outcome {
    let paint = Paint::for_stdout();
    let wanted = |case: &str| match &options.filter {
        Some(filter) => format!("{}: {case}", file.name).contains(filter.as_str()),
        None => true,
    };
    let mut edits: Vec<Edit> = Vec::new();
    let cases = file.script.cases.iter().filter(|case| wanted(&case.name));
    for (index, case) in cases.enumerate() {
        if index == 0 {
            screen::print(format!("{}\n", paint.bold(&file.name)).as_bytes())?;
        }
        let mut played = stage(case)?;
        if options.update {
            edits.append(&mut played.edits);
            played.findings.retain(flowtest::Finding::is_refused);
        }
        tally.cases += usize::from(played.excuse.is_none());
        tally.skipped += usize::from(played.excuse.is_some()) + played.skipped.len();
        tally.failed += usize::from(!played.findings.is_empty());
        show(&case.name, &played, file, paint)?;
    }
    if !edits.is_empty() {
        tally.updated += edits.len();
        let text = flowtest::updated(&file.text, &edits);
        write_durably(&RealDisk, &file.path, text.as_bytes())
            .map_err(|source| CliError::Write { source })?;
    }
    Ok(())
}

fn show(name: &str, played: &Played, file: &FlowFile, paint: Paint) -> Outcome {
    let told = flowtest::told(name, played, (&file.name, &file.text), paint);
    Ok(screen::print(told.as_bytes())?)
}

fn unreadable(path: &Path, source: std::io::Error) -> CliError {
    CliError::Read {
        path: path.to_owned(),
        source,
    }
}
