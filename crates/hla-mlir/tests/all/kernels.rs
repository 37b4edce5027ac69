//! Kernels that are no contractions, at sizes that take every path through them (vectors and rests,
//! several vectors a thread, shared memory, segments, many blocks): compiled to PTX, run by the
//! emulator under more than one schedule, held against the reference.

use hla_gpu::{GpuOptions, lower_program};
use hla_ir::{Arg, Attrs, DType, Function, Location, Op, Tensor, TensorType, ValueId};
use hla_mlir::gpu::{Chip, to_ptx};
use hla_reference::Tolerance;
use hla_reference::cases::{cases, odd_cases, training_cases};
use hla_runtime::plan::DeviceProgram;
use hla_runtime::{DeviceSession, Executable};
use ptx_emulator::options::Schedule;
use ptx_emulator::{Emulator, Options};

use DType::{BF16, F16, F32, I8};

/// A function and its arguments.
struct Job {
    function: Function,
    inputs: Vec<Tensor>,
    tolerance: Tolerance,
}

struct Builder(Function);

impl Builder {
    fn op(&mut self, op: Op, operands: &[ValueId], attrs: Attrs) -> ValueId {
        let location = Location::unknown();
        self.0.push(op, operands, attrs, location).unwrap()
    }
}

/// Small numbers that every type has: sums of thousands of them are exact in f32.
fn numbers(ty: &TensorType) -> Tensor {
    let number = |i: usize| ((i * 7919 + i / 31) % 63) as f64 - 31.0;
    Tensor::from_f64s(
        ty.clone(),
        (0..ty.elements()).map(number).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn job(
    name: &str,
    inputs: &[(&[usize], DType)],
    build: impl FnOnce(&mut Builder, &[ValueId]) -> Vec<ValueId>,
) -> Job {
    let types: Vec<TensorType> = inputs
        .iter()
        .map(|(shape, dtype)| TensorType::new(*shape, *dtype))
        .collect();
    let mut builder = Builder(Function::new(name));
    let args: Vec<ValueId> = types
        .iter()
        .map(|ty| builder.0.add_arg(Arg::new(ty.clone())))
        .collect();
    builder.0.results = build(&mut builder, &args);
    Job {
        function: builder.0,
        inputs: types.iter().map(numbers).collect(),
        tolerance: Tolerance::Exact,
    }
}

fn compiled(jobs: &[Job]) -> DeviceProgram {
    let functions: Vec<Function> = jobs.iter().map(|job| job.function.clone()).collect();
    let lowered = lower_program(&functions, &GpuOptions::default()).unwrap();
    let ptx = to_ptx(&lowered.kernels, Chip::DEFAULT).unwrap();
    DeviceProgram {
        chip: Chip::DEFAULT.name().to_owned(),
        precision: "tf32".to_owned(),
        producer: "test".to_owned(),
        modules: ptx.modules,
        kernels: ptx.kernels,
        constants: lowered.constants,
        functions: lowered.functions,
        driver: None,
    }
}

/// Runs each job once; gives what is wrong.
fn wrong(program: &DeviceProgram, jobs: &[Job], schedule: Schedule) -> Vec<String> {
    let options = Options {
        schedule,
        ..Options::default()
    };
    let device = Box::new(Emulator::new(options));
    let session = DeviceSession::new(device, program.clone()).unwrap();
    let mut wrong = Vec::new();
    for job in jobs {
        let name = &job.function.name;
        let expected = hla_reference::evaluate(&job.function, &job.inputs).unwrap();
        let results = session.function(name).unwrap().run(&job.inputs, None);
        let checked = match results {
            Ok(results) => (expected.iter().zip(&results))
                .try_for_each(|(expected, computed)| job.tolerance.check(expected, computed)),
            Err(error) => Err(error.to_string()),
        };
        wrong.extend(checked.err().map(|e| format!("{name}, {schedule:?}: {e}")));
    }
    wrong
}

fn check(jobs: &[Job]) -> DeviceProgram {
    let program = compiled(jobs);
    let schedules = [Schedule::Reverse, Schedule::Random(1)];
    let wrong: Vec<String> = schedules
        .into_iter()
        .flat_map(|schedule| wrong(&program, jobs, schedule))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    program
}

fn none() -> Attrs {
    Attrs::new()
}

fn axis(axis: i64) -> Attrs {
    none().with("axis", axis)
}

fn transpose(name: &str, shape: &[usize], dtype: DType, perms: &[i64]) -> Job {
    job(name, &[(shape, dtype)], |b, x| {
        vec![b.op(Op::Transpose, &[x[0]], none().with("perms", perms.to_vec()))]
    })
}

#[test]
fn maps() {
    let cast = |b: &mut Builder, v, to: DType| b.op(Op::Cast, &[v], none().with("out_type", to));
    let program = check(&[
        // One dimension with a rest of three elements, two results.
        job("ragged", &[(&[5003], F32), (&[5003], F32)], |b, x| {
            let sum = b.op(Op::Add, &[x[0], x[1]], none());
            vec![sum, b.op(Op::Maximum, &[sum, x[1]], none())]
        }),
        job("ragged_bf16", &[(&[77, 33], BF16)], |b, x| {
            vec![b.op(Op::Mul, &[x[0], x[0]], none())]
        }),
        // Eight neighbours of a row, one number a channel, one a row.
        job(
            "channels",
            &[(&[6, 9, 64], F16), (&[1, 1, 64], F16), (&[6, 9, 1], F16)],
            |b, x| {
                let scaled = b.op(Op::Mul, &[x[0], x[1]], none());
                vec![b.op(Op::Sub, &[scaled, x[2]], none())]
            },
        ),
        // Elements of one, two and four bytes.
        job(
            "mixed",
            &[(&[40, 32], F32), (&[40, 32], BF16), (&[40, 32], I8)],
            |b, x| {
                let wide = cast(b, x[1], F32);
                let sum = b.op(Op::Add, &[x[0], wide], none());
                let large = b.op(Op::Greater, &[sum, x[0]], none());
                let codes = cast(b, x[2], F32);
                let chosen = b.op(Op::Select, &[large, codes, sum], none());
                vec![large, chosen, cast(b, chosen, I8)]
            },
        ),
        // Enough for two vectors a thread.
        job("unrolled", &[(&[1 << 22], I8), (&[1 << 22], I8)], |b, x| {
            vec![b.op(Op::Add, &[x[0], x[1]], none())]
        }),
    ]);
    assert!(program.modules[0].contains("ld.global.nc.v4"));
}

#[test]
fn moved_data() {
    let program = check(&[
        transpose("transpose_square", &[100, 130], F32, &[1, 0]),
        transpose("transpose_images", &[2, 9, 11, 40], BF16, &[0, 3, 1, 2]),
        transpose("transpose_back", &[2, 40, 9, 11], I8, &[0, 2, 3, 1]),
        transpose("transpose_batches", &[5, 17, 3, 33], F32, &[3, 0, 2, 1]),
        job("pad", &[(&[2, 5, 6, 16], F32)], |b, x| {
            let padding = vec![0_i64, 0, 1, 2, 2, 1, 0, 0];
            let attrs = none().with("padding", padding).with("pad_const", 1.5_f32);
            vec![b.op(Op::Pad, &[x[0]], attrs)]
        }),
        job(
            "concat",
            &[(&[7, 16], F32), (&[7, 8], F32), (&[7, 3], F32)],
            |b, x| vec![b.op(Op::Concat, x, axis(1))],
        ),
        job(
            "concat_aligned",
            &[(&[7, 16], F32), (&[7, 8], F32)],
            |b, x| vec![b.op(Op::Concat, x, axis(1))],
        ),
        job("reverse", &[(&[30, 64], F32)], |b, x| {
            vec![b.op(Op::Reverse, &[x[0]], axis(1))]
        }),
        job("slice", &[(&[30, 64], BF16)], |b, x| {
            let attrs = none()
                .with("start", vec![3_i64, 8])
                .with("size", vec![20_i64, 48]);
            vec![b.op(Op::Slice, &[x[0]], attrs)]
        }),
    ]);
    let shared = program.modules[0].matches(".shared .align").count();
    assert_eq!(shared, 4, "transposes go through shared memory");
}

/// Sums of small integers, which are exact in any order.
#[test]
fn reductions() {
    let sum = |name: &str, shape: &[usize], dtype: DType, along: i64| {
        job(name, &[(shape, dtype)], |b, x| {
            let narrow = dtype != F32;
            let wide = match narrow {
                true => b.op(Op::Cast, &[x[0]], none().with("out_type", F32)),
                false => x[0],
            };
            vec![b.op(Op::ReduceSum, &[wide], axis(along))]
        })
    };
    check(&[
        sum("rows_of_a_warp", &[37, 99], F32, 1),
        sum("rows_of_a_block", &[3, 5000], BF16, 1),
        sum("rows_in_segments", &[2, 40_001], F32, 1),
        sum("columns", &[999, 24], F16, 0),
        sum("columns_in_segments", &[20_003, 8], BF16, 0),
        sum("odd_columns", &[3, 65, 7], F32, 1),
        job("first_of_the_largest", &[(&[3, 50_000], F32)], |b, x| {
            vec![b.op(Op::ArgMax, &[x[0]], axis(1))]
        }),
        job("largest_of_columns", &[(&[5000, 12], BF16)], |b, x| {
            vec![b.op(Op::ReduceMax, &[x[0]], axis(0))]
        }),
    ]);
}

/// The cases of the suite that have nothing but these ops.
fn cases_of(ops: &[Op]) -> Vec<Job> {
    let all = [cases(), training_cases(), odd_cases()]
        .concat()
        .into_iter();
    let fits = |op: Op| op == Op::Const || ops.contains(&op);
    all.filter(|case| case.function.nodes.iter().all(|node| fits(node.op)))
        .map(|case| Job {
            function: case.function,
            inputs: case.inputs,
            tolerance: case.tolerance,
        })
        .collect()
}

#[test]
fn selection() {
    let jobs = cases_of(&[Op::Threshold]);
    let program = check(&jobs);
    // Without one of its barriers a block reads counts that are not complete.
    let few = |job: &&Job| job.function.name == "threshold_large";
    let index = jobs.iter().position(|job| few(&job)).unwrap();
    let jobs = &jobs[index..=index];
    let mut program = program;
    for module in &mut program.modules {
        let lines = module.lines().filter(|line| !line.contains("bar.sync"));
        *module = lines.map(|line| format!("{line}\n")).collect();
    }
    assert!(!wrong(&program, jobs, Schedule::InOrder).is_empty());
}

#[test]
fn codes_and_quantization() {
    check(&cases_of(&[
        Op::Pack,
        Op::Unpack,
        Op::DynamicQuantize,
        Op::Ternarize,
    ]));
}

#[test]
fn windows_and_scatter() {
    check(&cases_of(&[
        Op::MaxPool2d,
        Op::AvgPool2d,
        Op::MaxPool2dGrad,
        Op::AvgPool2dGrad,
        Op::ScatterAdd,
    ]));
}
