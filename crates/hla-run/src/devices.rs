//! `hla-run devices`.

use hla_cli::{Failure, tell};
use hla_runtime::device::cuda;

#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let devices = cuda::devices()?;
    let text = match args.json {
        true => {
            let list: Vec<serde_json::Value> = devices
                .iter()
                .map(|d| {
                    serde_json::json!({
                        "device": format!("cuda:{}", d.index),
                        "name": d.name,
                        "chip": d.chip,
                        "bytes": d.bytes,
                        "shared_bytes": d.shared_bytes,
                        "driver": d.driver,
                    })
                })
                .collect();
            format!("{:#}\n", serde_json::Value::from(list))
        }
        false if devices.is_empty() => "the driver shows no GPU\n".to_owned(),
        false => devices
            .iter()
            .map(|d| {
                let gib = d.bytes as f64 / f64::from(1 << 30);
                format!(
                    "cuda:{}  {}  {}  {gib:.1} GiB  driver of CUDA {}\n",
                    d.index, d.name, d.chip, d.driver
                )
            })
            .collect(),
    };
    Ok(tell(text)?)
}
