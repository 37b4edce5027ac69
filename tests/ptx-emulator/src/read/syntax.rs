//! What PTX is made of.

/// How the bits of a value are understood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Bits.
    B,
    /// Unsigned integer.
    U,
    /// Signed integer.
    S,
    /// IEEE float.
    F,
    /// bfloat16.
    Bf,
    /// TensorFloat-32 in 32 bits.
    Tf,
    /// A predicate.
    Pred,
}

/// A type: `.s32`, `.bf16x2`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    /// How the bits are understood.
    pub kind: Kind,
    /// Bits of an element; 1 for a predicate.
    pub bits: u32,
    /// Whether it is two elements in one register.
    pub pair: bool,
}

impl Type {
    /// Reads a suffix without its dot.
    pub fn parse(text: &str) -> Option<Type> {
        let (kind, rest) = match text {
            "pred" => (Kind::Pred, "1"),
            "tf32" => (Kind::Tf, "32"),
            _ if text.starts_with("bf") => (Kind::Bf, &text[2..]),
            _ if text.starts_with('b') => (Kind::B, &text[1..]),
            _ if text.starts_with('u') => (Kind::U, &text[1..]),
            _ if text.starts_with('s') => (Kind::S, &text[1..]),
            _ if text.starts_with('f') => (Kind::F, &text[1..]),
            _ => return None,
        };
        let (bits, pair) = match rest.strip_suffix("x2") {
            Some(bits) => (bits, true),
            None => (rest, false),
        };
        let bits = match bits {
            "1" if kind == Kind::Pred => 1,
            "8" => 8,
            "16" => 16,
            "32" => 32,
            "64" => 64,
            _ => return None,
        };
        Some(Type { kind, bits, pair })
    }

    /// Bits of a register that holds it.
    pub fn register_bits(self) -> u32 {
        self.bits * (1 + u32::from(self.pair))
    }

    /// Bytes that it takes in memory.
    pub fn bytes(self) -> u64 {
        u64::from(self.register_bits().div_ceil(8))
    }

    /// Whether it is a signed integer.
    pub fn signed(self) -> bool {
        self.kind == Kind::S
    }
}

/// Where a variable lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Space {
    /// Any of the others, told apart by the address.
    Generic,
    /// Memory of the device; constants, too.
    Global,
    /// Memory of a block.
    Shared,
    /// Memory of a thread.
    Local,
    /// Arguments.
    Param,
}

/// A variable or a parameter.
#[derive(Clone, PartialEq, Debug)]
pub struct Variable {
    /// Where it lives.
    pub space: Space,
    /// Alignment in bytes.
    pub align: u64,
    /// Type of an element.
    pub ty: Type,
    /// Its name.
    pub name: String,
    /// How many elements; 1 for a scalar, none where the launch decides.
    pub count: Option<u64>,
    /// Values of the first elements, as bits; the others are 0.
    pub values: Vec<u64>,
    /// Where it is declared.
    pub line: u32,
}

impl Variable {
    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        self.count.unwrap_or(0) * self.ty.bytes()
    }
}

/// An operand.
#[derive(Clone, PartialEq, Debug)]
pub enum Operand {
    /// A register, a variable, a label or a function.
    Name(String),
    /// `!%p`.
    Not(String),
    /// An integer; the bits of one that is negative.
    Int(i128),
    /// The bits of a single.
    F32(u32),
    /// The bits of a double.
    F64(u64),
    /// `{a, b}`.
    Vector(Vec<Operand>),
    /// `[base+offset]`.
    Address(Box<Operand>, i64),
    /// `d|p`.
    Either(Box<Operand>, Box<Operand>),
    /// `(a, b)`.
    List(Vec<Operand>),
}

/// An instruction.
#[derive(Clone, PartialEq, Debug)]
pub struct Instruction {
    /// The predicate under which it runs, and whether that is negated.
    pub guard: Option<(String, bool)>,
    /// `ld`, `global`, `v4`, `b32`.
    pub opcode: Vec<String>,
    /// Operands as written, destinations first.
    pub operands: Vec<Operand>,
    /// Where it stands.
    pub line: u32,
}

/// A statement of a body.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `{`
    Open,
    /// `}`
    Close,
    /// Registers: `%r` and a count for `%r0`, `%r1`, …, or one of just that name.
    Registers(Type, String, Option<u32>),
    /// A variable of the body.
    Variable(Variable),
    /// A label.
    Label(String, u32),
    /// An instruction.
    Instruction(Instruction),
}

/// An entry or a function.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it can be launched.
    pub entry: bool,
    /// Parameters.
    pub params: Vec<Variable>,
    /// What it gives.
    pub results: Vec<Variable>,
    /// Most threads of a block, where `.maxntid` or `.reqntid` says so.
    pub threads: Option<u64>,
    /// Nothing where it is only declared.
    pub body: Option<Vec<Statement>>,
    /// Where it begins.
    pub line: u32,
}

/// A module.
#[derive(Clone, PartialEq, Debug)]
pub struct Module {
    /// `sm_90`.
    pub target: String,
    /// Variables outside functions.
    pub variables: Vec<Variable>,
    /// Functions in order.
    pub functions: Vec<Function>,
    /// The lines of the text, for messages.
    pub source: Vec<String>,
}
