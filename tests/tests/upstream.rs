//! hla-reference held against upstream's own lowering of TOSA.
use hla_ir::Op;
use hla_reference::cases::{Case, cases};
use hla_reference::{Tolerance, evaluate};
use hlac_tests::upstream::{Call, Upstream};

#[test]
fn all() {
    let upstream = Upstream::find().unwrap();
    let cases: Vec<Case> = cases();
    let cases: Vec<&Case> = cases
        .iter()
        .filter(|c| {
            !c.function
                .nodes
                .iter()
                .any(|n| n.name().starts_with("hla."))
        })
        .collect();
    eprintln!("{} cases", cases.len());
    for chunk in cases.chunks(50) {
        let calls: Vec<Call> = chunk
            .iter()
            .map(|c| Call {
                function: &c.function,
                inputs: &c.inputs,
            })
            .collect();
        let t = std::time::Instant::now();
        let r = upstream.run(&calls);
        eprintln!("chunk {:?} {}", t.elapsed(), r.is_ok());
        let all: Vec<Result<_, String>> = match r {
            Ok(r) => r.into_iter().map(Ok).collect(),
            Err(e) => {
                eprintln!("{}", &e[..e.len().min(300)]);
                calls
                    .iter()
                    .map(|c| upstream.run(&[*c]).map(|mut r| r.remove(0)))
                    .collect()
            }
        };
        for (c, r) in chunk.iter().zip(all) {
            match r {
                Err(e) => eprintln!("FAIL {} {}", c.name, &e[..e.len().min(400)]),
                Ok(r) => {
                    let ours = evaluate(&c.function, &c.inputs).unwrap();
                    for (o, t) in ours.iter().zip(&r) {
                        let tol = match c.tolerance {
                            Tolerance::Exact => Tolerance::Exact,
                            t => t,
                        };
                        if let Err(e) = tol.check(o, t) {
                            eprintln!("DIFF {} {:?} {}", c.name, tol, e);
                        }
                    }
                }
            }
        }
    }
    let _ = Op::Add;
}
