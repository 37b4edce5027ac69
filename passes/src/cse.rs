//! `hla-cse`: nodes with equal ops, operands and attributes are computed once.
//!
//! The rebuild that every pass makes does it already (see [`hla_ir::rewrite`]); this pass is that
//! rebuild and nothing else. Opaque nodes may have effects and are never merged.

use hla_ir::rewrite::rewrite;
use hla_ir::{Diagnostic, Function};

use crate::options::Options;
use crate::registry::PassInfo;
use crate::report::Report;

/// The pass.
pub const PASS: PassInfo = PassInfo {
    name: "hla-cse",
    summary: "compute equal nodes once and drop dead ones",
    options: &[],
    run,
};

fn run(function: &Function, _: &Options) -> Result<(Function, Report), Diagnostic> {
    let new = rewrite(function, |_, _, _| Ok(None))?;
    let mut report = Report::default();
    report.figure("nodes before", function.nodes.len());
    report.figure("nodes after", new.nodes.len());
    Ok((new, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hla_ir::{Arg, Attrs, Location, Op, TensorType};

    #[test]
    fn equal_nodes_become_one_and_unused_ones_none() {
        let mut f = Function::new("f");
        let x = f.add_arg(Arg::new(TensorType::f32([2])));
        let exp = |f: &mut Function| f.push(Op::Exp, &[x], Attrs::new(), Location::unknown());
        let (a, b) = (exp(&mut f).unwrap(), exp(&mut f).unwrap());
        f.push(Op::Log, &[x], Attrs::new(), Location::unknown())
            .unwrap();
        let sum = f.push(Op::Add, &[a, b], Attrs::new(), Location::unknown());
        f.results.push(sum.unwrap());
        let (new, report) = run(&f, &Options::defaults(&[])).unwrap();
        hla_ir::verify::verify(&new).unwrap();
        assert_eq!(
            new.nodes.iter().map(|n| n.op).collect::<Vec<_>>(),
            [Op::Exp, Op::Add]
        );
        assert_eq!(report.get("nodes after"), Some(&2usize.into()));
    }
}
