//! Writes the data set: `cargo run --release -p cluttered -- DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cluttered::data::{Recipe, Set, replace};
use cluttered::difficulty::Degree;
use cluttered::digits::Part;
use hla_ir::Diagnostic;

/// Draws digits in clutter: 32x32 images of one byte a pixel, and the digit in each.
///
/// The training images are made from the 1,347 training digits of examples/digits, the test images
/// from the 450 others. Each image depends on the seed, its part and its number alone: the same
/// options give the same bytes on every machine, and a larger count adds images at the end.
#[derive(Parser)]
#[command(name = "cluttered", version, max_term_width = 100, after_help = FILES)]
struct Args {
    /// The folder to write to; made if there is none
    folder: PathBuf,
    /// How many training images
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = count)]
    train: usize,
    /// How many test images
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = count)]
    test: usize,
    /// Any number: another one gives other images
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How much clutter and noise
    #[arg(long, value_enum, default_value_t = Degree::Normal)]
    difficulty: Degree,
    /// Write the first 128 test images to this file too, as one grey picture (PGM)
    #[arg(long, value_name = "FILE.pgm")]
    sheet: Option<PathBuf>,
}

const FILES: &str = "\
Writes FOLDER/train.safetensors and FOLDER/test.safetensors, each with
  images  U8  [N, 32, 32, 1]  0 is black
  labels  I32 [N]             0 to 9

Examples:
  cluttered out
  cluttered out --train 50000 --difficulty hard --seed 7";

/// What fits into memory: a million images are 1 GB.
fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=10_000_000) => Ok(n),
        _ => Err("give a number of images, 1 to 10000000".to_owned()),
    }
}

fn main() -> ExitCode {
    match write(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(args: &Args) -> Result<(), Diagnostic> {
    let parts = [
        (Part::Train, args.train, "train.safetensors"),
        (Part::Test, args.test, "test.safetensors"),
    ];
    for (part, count, name) in parts {
        let path = args.folder.join(name);
        let (seed, degree) = (args.seed, args.difficulty);
        let set = Set::draw(Recipe {
            part,
            count,
            seed,
            degree,
        })?;
        set.write(&path)?;
        eprintln!("{}: {count} images", path.display());
        if let (Part::Test, Some(sheet)) = (part, &args.sheet) {
            replace(sheet, &set.sheet(8))?;
        }
    }
    Ok(())
}
