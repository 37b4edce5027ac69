//! Signatures in the header of a program file.

use std::sync::Arc;

use hla_ir::{DType, TensorType};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::executable::{Signature, Slot};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    inputs: Vec<SlotRecord>,
    outputs: Vec<SlotRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    dtype: String,
    shape: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updates: Option<String>,
}

impl From<&Slot> for SlotRecord {
    fn from(slot: &Slot) -> SlotRecord {
        SlotRecord {
            name: slot.name.as_deref().map(str::to_owned),
            dtype: slot.ty.dtype.name().to_owned(),
            shape: slot.ty.shape.clone(),
            param: slot.param.as_deref().map(str::to_owned),
            updates: slot.updates.as_deref().map(str::to_owned),
        }
    }
}

impl TryFrom<SlotRecord> for Slot {
    type Error = String;

    fn try_from(record: SlotRecord) -> Result<Slot, String> {
        let dtype = DType::from_name(&record.dtype)
            .ok_or_else(|| format!("'{}' is no element type", record.dtype))?;
        Ok(Slot {
            name: record.name.map(Arc::from),
            ty: TensorType::try_new(record.shape, dtype)?,
            param: record.param.map(Arc::from),
            updates: record.updates.map(Arc::from),
        })
    }
}

pub(super) fn serialize<S: Serializer>(
    signature: &Signature,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let slots = |slots: &[Slot]| slots.iter().map(SlotRecord::from).collect();
    let record = Record {
        inputs: slots(&signature.inputs),
        outputs: slots(&signature.outputs),
    };
    record.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Signature, D::Error> {
    let record = Record::deserialize(deserializer)?;
    let slots = |slots: Vec<SlotRecord>| -> Result<Vec<Slot>, D::Error> {
        let slots = slots.into_iter().map(Slot::try_from);
        slots.collect::<Result<_, _>>().map_err(D::Error::custom)
    };
    Ok(Signature {
        inputs: slots(record.inputs)?,
        outputs: slots(record.outputs)?,
    })
}
