//! Which layers stay float: the options `skip` and `quantize-all` of every pass that makes layers
//! hyperspherical or ternary.

use std::collections::BTreeMap;

use hla_ir::{Diagnostic, Function, Node, NodeId, Op};

use crate::options::{OptionInfo, OptionKind, Options, did_you_mean};

/// Layers that stay as they are.
pub(crate) const SKIP: OptionInfo = OptionInfo {
    name: "skip",
    kind: OptionKind::List,
    default: "auto",
    help: "layers that stay float, by name or number from 0; auto means the first convolution and the last layer",
};

/// No layer stays as it is for its place.
pub(crate) const QUANTIZE_ALL: OptionInfo = OptionInfo {
    name: "quantize-all",
    kind: OptionKind::Flag,
    default: "false",
    help: "take the first convolution and the last layer too",
};

/// A layer as users name it.
pub(crate) struct Candidate<'a> {
    /// Its contraction.
    pub node: NodeId,
    /// Its name.
    pub name: &'a str,
    /// The name of its weight, if it has one.
    pub weight: Option<&'a str>,
}

/// What a layer is called: by its location, its weight, or its op and number.
pub(crate) fn layer_name(node: &Node, weight: Option<&str>, number: usize) -> String {
    let stem = weight.map(|n| n.strip_suffix(".weight").unwrap_or(n));
    let short = node.name().rsplit('.').next().unwrap_or_default();
    (node.location.name.as_deref().or(stem).map(str::to_owned))
        .unwrap_or_else(|| format!("{short}_{number}"))
}

/// Why layers stay float, by their number. `pass` is who asks.
pub(crate) fn skipped(
    function: &Function,
    pass: &str,
    layers: &[Candidate<'_>],
    options: &Options,
) -> Result<BTreeMap<usize, &'static str>, Diagnostic> {
    let mut reasons = BTreeMap::new();
    for entry in options.list("skip") {
        if entry == "auto" {
            if !options.flag("quantize-all") {
                let first = function
                    .iter_nodes()
                    .find(|(_, n)| {
                        matches!(n.op, Op::Conv2d | Op::DepthwiseConv2d | Op::TransposeConv2d)
                    })
                    .and_then(|(id, _)| layers.iter().position(|l| l.node == id));
                reasons.extend(first.map(|i| (i, "first convolution")));
                if let Some(last) = layers.len().checked_sub(1) {
                    reasons.entry(last).or_insert("last layer");
                }
            }
            continue;
        }
        if entry == "none" {
            continue;
        }
        let named = |l: &Candidate<'_>| l.name == entry || l.weight == Some(entry);
        let hits: Vec<usize> = (0..layers.len()).filter(|&i| named(&layers[i])).collect();
        reasons.extend(hits.iter().map(|&i| (i, "skip list")));
        if let Ok(number) = entry.parse::<usize>()
            && hits.is_empty()
            && number < layers.len()
        {
            reasons.insert(number, "skip list");
        } else if hits.is_empty() {
            let names: Vec<&str> = layers.iter().map(|l| l.name).collect();
            return Err(Diagnostic::error(
                function.location.clone(),
                format!("the skip list of {pass} names '{entry}', but no layer is called so"),
            )
            .help(match did_you_mean(entry, names.iter().copied()) {
                Some(close) => format!("did you mean '{close}'?"),
                None => format!(
                    "the layers are {} (0 to {})",
                    names.join(", "),
                    names.len().max(1) - 1
                ),
            }));
        }
    }
    Ok(reasons)
}
