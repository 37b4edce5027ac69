//! Textual pipelines as in mlir-opt, and the runner.
//!
//! `builtin.module(hla-ternarize{sparsity=0.7},hla-pack,canonicalize)` is split into steps: passes
//! of hlac, which run on every function, and runs of passes of MLIR, which are handed over verbatim.

mod parse;

use std::time::{Duration, Instant};

use hla_ir::verify::verify;
use hla_ir::{Diagnostic, Function};

use crate::options::Options;
use crate::registry::{PassInfo, find};
use crate::report::Report;
use parse::{Element, Parser, is_ours};

/// The file name in locations of errors in a pipeline's text.
pub const PIPELINE_SOURCE: &str = "--pass-pipeline";

/// A pipeline, split by who runs what.
#[derive(Clone, Default, Debug)]
pub struct Pipeline {
    /// The steps in order.
    pub steps: Vec<Step>,
}

/// A part of a pipeline.
#[derive(Clone, Debug)]
pub enum Step {
    /// A pass of hlac.
    Ours(PassInfo, Options),
    /// A pipeline for MLIR, `builtin.module(…)` included.
    Upstream(String),
}

impl Pipeline {
    /// Reads a pipeline. The outer `builtin.module(…)` may be absent; `any(…)` stands for it.
    ///
    /// Passes of hlac begin with `hla-` and stand in the module's list or in a `func.func(…)` of it.
    /// An error points into the text: its location is in file [`PIPELINE_SOURCE`], line 1.
    pub fn parse(text: &str) -> Result<Pipeline, Diagnostic> {
        let mut parser = Parser { text, at: 0 };
        let mut elements = parser.list()?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.error(parser.at, "this closes nothing that was opened"));
        }
        if let [
            Element {
                name: "builtin.module" | "any",
                nested: Some(_),
                ..
            },
        ] = &elements[..]
        {
            elements = elements.remove(0).nested.unwrap_or_default();
        }
        let mut pipeline = Pipeline::default();
        for element in &elements {
            match &element.nested {
                Some(nested) if element.name == "func.func" && nested.iter().any(is_ours) => {
                    for inner in nested {
                        pipeline.add(&parser, inner, |text| format!("func.func({text})"))?;
                    }
                }
                _ => pipeline.add(&parser, element, str::to_owned)?,
            }
        }
        Ok(pipeline)
    }

    fn add(
        &mut self,
        parser: &Parser<'_>,
        element: &Element<'_>,
        wrap: impl Fn(&str) -> String,
    ) -> Result<(), Diagnostic> {
        if let Some(ours) = element.ours() {
            if !std::ptr::eq(ours, element) {
                return Err(parser
                    .error(ours.at, format!("'{}' cannot run inside '{}'", ours.name, element.name))
                    .help("passes of hlac run on functions: put it into the module's list or into func.func(…)"));
            }
            let place = |mut d: Diagnostic, at: usize| {
                d.location = parser.location(at);
                d
            };
            if element.nested.is_some() {
                return Err(parser.error(
                    element.at,
                    format!("'{}' takes no nested passes", element.name),
                ));
            }
            let info = find(element.name).map_err(|d| place(d, element.at))?;
            let mut options = Options::defaults(info.options);
            if let Some((at, text)) = element.options {
                for (key_at, key, value) in parser.options(at, text)? {
                    options.set(key, value).map_err(|d| {
                        place(
                            Diagnostic {
                                message: format!("{}: {}", info.name, d.message),
                                ..d
                            },
                            key_at,
                        )
                    })?;
                }
            }
            self.steps.push(Step::Ours(info, options));
            return Ok(());
        }
        let text = wrap(element.text);
        match self.steps.last_mut() {
            Some(Step::Upstream(list)) => {
                list.pop();
                list.push_str(&format!(",{text})"));
            }
            _ => self
                .steps
                .push(Step::Upstream(format!("builtin.module({text})"))),
        }
        Ok(())
    }
}

/// Writes the pipeline so that it reads back.
impl std::fmt::Display for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("builtin.module(")?;
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match step {
                Step::Ours(info, options) => write!(f, "{}{options}", info.name)?,
                Step::Upstream(text) => f.write_str(
                    text.strip_prefix("builtin.module(")
                        .and_then(|t| t.strip_suffix(')'))
                        .unwrap_or(text),
                )?,
            }
        }
        f.write_str(")")
    }
}

/// What an observer sees after each pass.
#[derive(Debug)]
pub struct PassRun<'a> {
    /// The pass.
    pub pass: &'a PassInfo,
    /// Its options.
    pub options: &'a Options,
    /// What it was given.
    pub before: &'a Function,
    /// What it made.
    pub after: &'a Function,
    /// What it told.
    pub report: &'a Report,
    /// How long it took.
    pub time: Duration,
}

/// Runs passes on a function, one after the other. With `verify_each` the verifier runs before the
/// first and after each. The observer is called after each pass: it prints, times, or keeps reports.
pub fn run(
    function: &Function,
    passes: &[(PassInfo, Options)],
    verify_each: bool,
    observer: &mut dyn FnMut(&PassRun<'_>),
) -> Result<Function, Diagnostic> {
    if verify_each {
        verify(function)?;
    }
    let mut current = function.clone();
    for (pass, options) in passes {
        let start = Instant::now();
        let (after, report) = (pass.run)(&current, options)?;
        let time = start.elapsed();
        if verify_each && let Err(error) = verify(&after) {
            return Err(Diagnostic {
                message: format!("{} made an invalid function: {}", pass.name, error.message),
                ..error
            }
            .help("this is a mistake in hlac: please report it with the input"));
        }
        observer(&PassRun {
            pass,
            options,
            before: &current,
            after: &after,
            report: &report,
            time,
        });
        current = after;
    }
    Ok(current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let pipeline = Pipeline::parse(text).unwrap();
        let steps = pipeline.steps.iter();
        steps
            .map(|s| match s {
                Step::Ours(info, options) => format!("{}{options}", info.name),
                Step::Upstream(text) => text.clone(),
            })
            .collect()
    }

    #[test]
    fn a_pipeline_is_split_by_owner() {
        assert_eq!(
            texts("builtin.module(a{x=1 y=2},func.func(b, c),hla-cse,canonicalize)"),
            [
                "builtin.module(a{x=1 y=2},func.func(b, c))",
                "hla-cse",
                "builtin.module(canonicalize)"
            ]
        );
        assert_eq!(texts("hla-cse,hla-cse"), ["hla-cse", "hla-cse"]);
        assert_eq!(
            texts("any( func.func(cse, hla-cse ,b{y={1,2} z='}'} ) )"),
            [
                "builtin.module(func.func(cse))",
                "hla-cse",
                "builtin.module(func.func(b{y={1,2} z='}'}))"
            ]
        );
        assert_eq!(texts("builtin.module()"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn a_pipeline_prints_what_it_reads() {
        let text = "builtin.module(a{x=1},func.func(b),hla-cse,canonicalize)";
        let printed = Pipeline::parse(text).unwrap().to_string();
        assert_eq!(printed, text);
    }

    #[test]
    fn errors_point_into_the_text() {
        for (text, column, message) in [
            ("builtin.module(hla-cse", 15, "parenthesis is never closed"),
            ("builtin.module(hla-cse)x", 24, "closes nothing"),
            ("builtin.module(hla-cse))", 24, "closes nothing"),
            ("builtin.module(a,,b)", 18, "a pass name is expected"),
            ("builtin.module(a{x=1,b)", 17, "brace is never closed"),
            ("builtin.module(a b)", 18, "',' or ')' is expected, not 'b'"),
            ("builtin.module(hla-cze)", 16, "no pass 'hla-cze'"),
            (
                "builtin.module(hla-cse{ x=1})",
                25,
                "hla-cse: there is no option 'x'",
            ),
            ("gpu.module(hla-cse)", 12, "cannot run inside 'gpu.module'"),
            ("hla-cse(a)", 1, "takes no nested passes"),
            ("hla-cse{x='1}", 8, "brace is never closed"),
            ("é", 1, "a pass name is expected"),
        ] {
            let error = Pipeline::parse(text).map(|p| p.to_string()).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert_eq!(error.location.column, column, "{text}: {error}");
            assert!(error.help.is_some(), "{text}");
        }
    }
}
