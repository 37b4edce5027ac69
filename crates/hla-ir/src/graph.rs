//! Modules, functions, nodes and values: SSA over static-shaped tensors, as plain data.
//!
//! A [`Function`] only grows: [`Function::push`] checks a node against its declaration, infers the
//! types of its results and appends it, so operands always stand before their users. A pass builds
//! a new function with [`crate::rewrite::Rewriter`].

use std::sync::Arc;

use crate::attr::{Attr, Attrs};
use crate::diagnostic::{Diagnostic, Location};
use crate::op::{Arity, AttrKind, Default, Form, Infer, OpDef};
use crate::ops::Op;
use crate::tensor::Tensor;
use crate::types::{DType, TensorType, Type};

/// Number of a value within its function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ValueId(pub u32);

/// Number of a node within its function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub u32);

impl ValueId {
    /// As an index into [`Function::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// As an index into [`Function::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Encloses the number of a captured operand in the text of an opaque op: a character that MLIR
/// never prints.
pub const CAPTURE: char = '\u{1}';

/// Attribute of a result: its name.
pub const RESULT_NAME: &str = "hla.name";
/// Attribute of a result: the parameter whose new value it is.
pub const UPDATES: &str = "hla.updates";
/// Attribute of a result: the parameter by which it is the derivative of the objective.
pub const GRADIENT: &str = "hla.gradient";
/// Attribute of an argument: state that is not trained, such as a running average.
pub const BUFFER: &str = "hla.buffer";
/// Attribute of an argument: a parameter that weight decay spares.
pub const NO_DECAY: &str = "hla.no_decay";
/// Attribute of an argument: the axis of the columns of a weight that is projected to the sphere
/// after each step.
pub const SPHERE_AXIS: &str = "hla.sphere_axis";

/// What a compiler is handed: functions, and whatever else stood beside them.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Module {
    /// Functions in source order.
    pub functions: Vec<Function>,
    /// Attributes of the module.
    pub attrs: Attrs,
    /// Text of top-level ops that are no functions, kept verbatim.
    pub opaque: Vec<Arc<str>>,
}

impl Module {
    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == name)
    }
}

/// An argument of a function.
#[derive(Clone, PartialEq, Debug)]
pub struct Arg {
    /// Type.
    pub ty: Type,
    /// `hla.name`: what a user calls this input.
    pub name: Option<Arc<str>>,
    /// `hla.param`: the name of the parameter that belongs here, if it is one.
    pub param: Option<Arc<str>>,
    /// Other attributes.
    pub attrs: Attrs,
    /// Where it stands.
    pub location: Location,
}

impl Arg {
    /// An argument of a type, without a name.
    pub fn new(ty: impl Into<Type>) -> Arg {
        Arg {
            ty: ty.into(),
            name: None,
            param: None,
            attrs: Attrs::new(),
            location: Location::unknown(),
        }
    }

    /// With an input name (`hla.name`).
    pub fn named(mut self, name: &str) -> Arg {
        self.name = Some(name.into());
        self
    }

    /// With a parameter name (`hla.param`).
    pub fn param(mut self, name: &str) -> Arg {
        self.param = Some(name.into());
        self
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Def {
    /// Argument i of the function.
    Arg(usize),
    /// Result i of a node.
    Node(NodeId, usize),
}

/// A value: a tensor that exists once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// Its type.
    pub ty: Type,
    /// Where it comes from.
    pub def: Def,
}

/// An op applied to values.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// The op.
    pub op: Op,
    /// Operands, each defined before this node.
    pub operands: Vec<ValueId>,
    /// Results.
    pub results: Vec<ValueId>,
    /// Attributes, defaults filled in.
    pub attrs: Attrs,
    /// Where it stands in the source.
    pub location: Location,
}

impl Node {
    /// The only result of a node that has one; the first otherwise.
    pub fn result(&self) -> ValueId {
        self.results[0]
    }

    /// Name as in MLIR, that of the unknown op for an opaque one.
    pub fn name(&self) -> &str {
        match self.op {
            Op::Opaque => self.attrs.str("mlir.name").unwrap_or("opaque"),
            op => op.def().name,
        }
    }

    /// The tensor of a `tosa.const`.
    pub fn constant(&self) -> Option<&Tensor> {
        match self.op {
            Op::Const => self.attrs.tensor("values"),
            _ => None,
        }
    }
}

/// A function: arguments, nodes in an order that respects their operands, results.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Name without the sigil.
    pub name: String,
    /// Arguments; argument i is value i.
    pub args: Vec<Arg>,
    /// All values.
    pub values: Vec<Value>,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// What is returned.
    pub results: Vec<ValueId>,
    /// Attributes of the results, such as `hla.name`; those beyond its end have none.
    pub result_attrs: Vec<Attrs>,
    /// Attributes of the function.
    pub attrs: Attrs,
    /// Where it stands.
    pub location: Location,
}

impl Function {
    /// An empty function.
    pub fn new(name: &str) -> Function {
        Function {
            name: name.to_owned(),
            args: Vec::new(),
            values: Vec::new(),
            nodes: Vec::new(),
            results: Vec::new(),
            result_attrs: Vec::new(),
            attrs: Attrs::new(),
            location: Location::unknown(),
        }
    }

    /// Adds a result with one attribute, such as [`RESULT_NAME`].
    pub fn add_result(&mut self, value: ValueId, key: &str, text: &str) {
        self.results.push(value);
        self.set_result_attr(self.results.len() - 1, key, text);
    }

    /// Sets an attribute of result `i`.
    pub fn set_result_attr(&mut self, i: usize, key: &str, value: impl Into<Attr>) {
        if self.result_attrs.len() <= i {
            self.result_attrs.resize(i + 1, Attrs::new());
        }
        self.result_attrs[i].set(key, value);
    }

    fn result_str(&self, i: usize, key: &str) -> Option<&str> {
        self.result_attrs.get(i)?.str(key)
    }

    /// The name of result `i`.
    pub fn result_name(&self, i: usize) -> Option<&str> {
        self.result_str(i, RESULT_NAME)
    }

    /// The parameter whose new value result `i` is.
    pub fn updates(&self, i: usize) -> Option<&str> {
        self.result_str(i, UPDATES)
    }

    /// The parameter by which result `i` is the derivative of the objective.
    pub fn gradient_of(&self, i: usize) -> Option<&str> {
        self.result_str(i, GRADIENT)
    }

    /// Adds an argument.
    ///
    /// # Panics
    /// If a node has been pushed already: arguments come first.
    pub fn add_arg(&mut self, arg: Arg) -> ValueId {
        assert!(self.nodes.is_empty(), "arguments are added before nodes");
        let def = Def::Arg(self.args.len());
        let id = self.add_value(arg.ty.clone(), def);
        self.args.push(arg);
        id
    }

    fn add_value(&mut self, ty: Type, def: Def) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { ty, def });
        id
    }

    /// Appends a node after checking it; gives its (first) result.
    pub fn push(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attrs: Attrs,
        location: Location,
    ) -> Result<ValueId, Diagnostic> {
        self.push_node(op, operands, attrs, location)
            .map(|id| self.nodes[id.index()].result())
    }

    /// Appends a node after checking it; gives the node.
    pub fn push_node(
        &mut self,
        op: Op,
        operands: &[ValueId],
        mut attrs: Attrs,
        location: Location,
    ) -> Result<NodeId, Diagnostic> {
        let name = op.def().name;
        match self.infer(op, operands, &mut attrs) {
            Ok(types) => {
                let types = types.into_iter().map(Type::Tensor).collect();
                Ok(self.append(op, operands.to_vec(), attrs, types, location))
            }
            Err(message) => Err(Diagnostic::error(location, format!("'{name}': {message}"))),
        }
    }

    /// Appends an op hlac does not know. `suffix` is the MLIR text between the operands and the
    /// types: properties, regions, attributes. Where its regions use a value from outside, the text
    /// has the number of an operand between two [`CAPTURE`]s; MLIR does not list such an operand.
    pub fn push_opaque(
        &mut self,
        name: &str,
        operands: &[ValueId],
        suffix: &str,
        types: Vec<Type>,
        location: Location,
    ) -> NodeId {
        let mut attrs = Attrs::new().with("mlir.name", name);
        attrs.set("mlir.suffix", Attr::Raw(suffix.into()));
        self.append(Op::Opaque, operands.to_vec(), attrs, types, location)
    }

    /// Appends a constant.
    pub fn constant(&mut self, values: Tensor, location: Location) -> ValueId {
        let types = vec![Type::Tensor(values.ty().clone())];
        let attrs = Attrs::new().with("values", values);
        let id = self.append(Op::Const, Vec::new(), attrs, types, location);
        self.nodes[id.index()].result()
    }

    fn append(
        &mut self,
        op: Op,
        operands: Vec<ValueId>,
        attrs: Attrs,
        types: Vec<Type>,
        location: Location,
    ) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        let results = types
            .into_iter()
            .enumerate()
            .map(|(i, ty)| self.add_value(ty, Def::Node(id, i)))
            .collect();
        self.nodes.push(Node {
            op,
            operands,
            results,
            attrs,
            location,
        });
        id
    }

    /// Checks a node against its declaration, fills in default attributes and infers the types of
    /// its results.
    pub(crate) fn infer(
        &self,
        op: Op,
        operands: &[ValueId],
        attrs: &mut Attrs,
    ) -> Result<Vec<TensorType>, String> {
        let def = op.def();
        let (min, max) = match def.operands.last().map(|o| o.arity) {
            Some(Arity::Optional) => (def.operands.len() - 1, def.operands.len()),
            Some(Arity::Variadic) => (def.operands.len(), usize::MAX),
            _ => (def.operands.len(), def.operands.len()),
        };
        if operands.len() < min || operands.len() > max {
            return Err(format!(
                "{} operands are given, but it takes {min}",
                operands.len()
            ));
        }
        let mut types = Vec::with_capacity(operands.len());
        for (i, &operand) in operands.iter().enumerate() {
            let value = self
                .values
                .get(operand.index())
                .ok_or_else(|| format!("operand {i} is no value of this function"))?;
            types.push(value.ty.tensor().ok_or_else(|| {
                format!("operand {i} has type {}, which is no static tensor of a supported element type", value.ty)
            })?);
        }
        normalize_attrs(def, &types, attrs)?;
        let results = (def.infer)(&Infer {
            def,
            operands: &types,
            attrs,
        })?;
        if def.attrs.iter().any(|a| a.form == Form::ResultType) {
            attrs.set("out_type", results[0].dtype);
        }
        Ok(results)
    }

    /// A value's type.
    pub fn ty(&self, value: ValueId) -> &Type {
        &self.values[value.index()].ty
    }

    /// A value's tensor type.
    ///
    /// # Panics
    /// If the type is opaque. Results of known ops never are.
    pub fn tensor_ty(&self, value: ValueId) -> &TensorType {
        match self.ty(value) {
            Type::Tensor(ty) => ty,
            Type::Opaque(text) => panic!("value has the opaque type {text}"),
        }
    }

    /// The node of this number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The node that defines a value, unless it is an argument.
    pub fn defining_node(&self, value: ValueId) -> Option<&Node> {
        match self.values[value.index()].def {
            Def::Node(id, _) => Some(self.node(id)),
            Def::Arg(_) => None,
        }
    }

    /// The constant a value is, if its definition is a `tosa.const`.
    pub fn constant_value(&self, value: ValueId) -> Option<&Tensor> {
        self.defining_node(value)?.constant()
    }

    /// All nodes with their numbers, in order.
    pub fn iter_nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(i, node)| (NodeId(i as u32), node))
    }

    /// For each value, the nodes that use it, in order, a node once for each operand it fills; uses
    /// as a result of the function are not listed.
    pub fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.values.len()];
        for (id, node) in self.iter_nodes() {
            for operand in &node.operands {
                users[operand.index()].push(id);
            }
        }
        users
    }

    /// All opaque nodes.
    pub fn opaque_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.op == Op::Opaque)
    }

    /// Refuses a function with ops hlac does not know: one report that names every one of them.
    /// `who` is who must look inside, as in "code generation".
    pub fn refuse_opaque(&self, who: &str) -> Result<(), Diagnostic> {
        let mut nodes = self.opaque_nodes();
        let Some(first) = nodes.next() else {
            return Ok(());
        };
        let count = self.opaque_nodes().count();
        let mut diagnostic = Diagnostic::error(
            first.location.clone(),
            format!(
                "{who} does not know {}{}",
                self.describe_opaque(first),
                match count {
                    1 => String::new(),
                    2 => " and 1 other op".to_owned(),
                    n => format!(" and {} other ops", n - 1),
                }
            ),
        )
        .help("lower these ops to TOSA first: `hlac passes --ops` lists what hlac knows");
        for node in nodes {
            diagnostic = diagnostic.note(node.location.clone(), self.describe_opaque(node));
        }
        Err(diagnostic)
    }

    /// The name of an opaque op; with its types, if ops of that name are known and this one is
    /// opaque for what it is applied to.
    fn describe_opaque(&self, node: &Node) -> String {
        let name = node.name();
        if Op::from_name(name).is_none() {
            return format!("'{name}'");
        }
        let list = |values: &[ValueId]| {
            let types: Vec<String> = values.iter().map(|&v| self.ty(v).to_string()).collect();
            types.join(", ")
        };
        format!(
            "'{name}' with these types or operands: ({}) -> ({})",
            list(&node.operands),
            list(&node.results)
        )
    }
}

/// Checks that each attribute is declared and of its kind, and fills in defaults.
fn normalize_attrs(def: &OpDef, types: &[&TensorType], attrs: &mut Attrs) -> Result<(), String> {
    for (name, _) in attrs.iter() {
        if !name.contains('.') && !def.attrs.iter().any(|a| a.name == name) {
            return Err(format!("there is no attribute '{name}' here"));
        }
    }
    for declared in def.attrs {
        let is_float = match declared.form {
            Form::ConstOperand(like) => types.get(like),
            _ => types.first(),
        }
        .is_some_and(|ty| ty.dtype.is_float());
        let Some(value) = attrs.get(declared.name) else {
            let value = match (declared.default, declared.kind) {
                (Default::Zero, AttrKind::Scalar) if is_float => Some(Attr::F32(0.0)),
                (Default::Absent, AttrKind::DType) if declared.name == "acc_type" => {
                    Some(Attr::DType(if is_float { DType::F32 } else { DType::I32 }))
                }
                (default, _) => default.attr(),
            };
            match value {
                Some(value) => attrs.set(declared.name, value),
                None if declared.default == Default::Required => {
                    return Err(format!("attribute '{}' is missing", declared.name));
                }
                None => {}
            }
            continue;
        };
        let fits = match (declared.kind, value) {
            (AttrKind::I32 | AttrKind::I64 | AttrKind::I8, Attr::I64(_))
            | (AttrKind::F32, Attr::F32(_))
            | (AttrKind::Bool, Attr::Bool(_))
            | (AttrKind::Str, Attr::Str(_))
            | (AttrKind::I32s | AttrKind::I64s, Attr::I64s(_))
            | (AttrKind::DType, Attr::DType(_))
            | (AttrKind::Tensor, Attr::Tensor(_)) => true,
            (AttrKind::NanMode, Attr::Str(s)) => matches!(&**s, "PROPAGATE" | "IGNORE"),
            (AttrKind::Scalar, Attr::F32(_)) => is_float,
            (AttrKind::Scalar, Attr::I64(_)) => !is_float,
            _ => false,
        };
        if !fits {
            return Err(format!(
                "attribute '{}' has a value of the wrong kind",
                declared.name
            ));
        }
    }
    Ok(())
}
