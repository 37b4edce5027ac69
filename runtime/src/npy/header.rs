//! The header of a `.npy` file.

use hla_ir::{DType, TensorType};

use super::TYPES;

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself refuses longer headers: they are no tensors.
const MAX_HEADER: usize = 10_000;
const DAMAGED: &str = "the file is damaged or no .npy file: save it with numpy.save";

/// How the elements of a `.npy` file lie, whatever their type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// NumPy's name of the element type, such as `<f4` or `|u1`.
    pub descr: String,
    /// Whether the first index changes fastest.
    pub fortran: bool,
    /// Where the elements begin.
    pub data: usize,
}

/// What a header says, of elements that a tensor can have.
pub(super) struct Header {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub big_endian: bool,
    pub fortran: bool,
    /// Where the elements begin.
    pub data: usize,
}

/// A message and the next step.
type Refusal = (String, &'static str);

fn damaged(message: impl Into<String>) -> Refusal {
    (message.into(), DAMAGED)
}

impl Layout {
    /// Reads the header at the beginning of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Layout, Refusal> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(damaged(
                "this is no .npy file: it does not begin with \\x93NUMPY",
            ));
        };
        let (start, len) = match *rest {
            [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
            [2 | 3, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
            [v, ..] if !(1..=3).contains(&v) => {
                return Err((
                    format!("version {v} of the .npy format is not known"),
                    "save it with numpy.save, which writes versions 1 to 3",
                ));
            }
            _ => return Err(damaged("the file ends within its header")),
        };
        if len > MAX_HEADER {
            return Err(damaged(format!("the header claims {len} bytes")));
        }
        let text = bytes
            .get(start..start + len)
            .ok_or_else(|| damaged("the file ends within its header"))?;
        let text = std::str::from_utf8(text).map_err(|_| damaged("the header is no text"))?;
        let fields = Fields::parse(text)?;
        let missing = |name: &str| damaged(format!("the header has no '{name}'"));
        Ok(Layout {
            descr: fields.descr.ok_or_else(|| missing("descr"))?,
            shape: fields.shape.ok_or_else(|| missing("shape"))?,
            fortran: fields.fortran.ok_or_else(|| missing("fortran_order"))?,
            data: start + len,
        })
    }
}

impl Header {
    /// Reads the header at the beginning of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Header, Refusal> {
        let layout = Layout::parse(bytes)?;
        let (dtype, big_endian) = element_type(&layout.descr)?;
        Ok(Header {
            shape: layout.shape,
            dtype,
            big_endian,
            fortran: layout.fortran,
            data: layout.data,
        })
    }
}

fn element_type(descr: &str) -> Result<(DType, bool), Refusal> {
    let name = descr.trim_start_matches(['<', '>', '|', '=']);
    let big_endian = descr.starts_with('>');
    if let Some((_, dtype)) = TYPES.iter().find(|(n, _)| *n == name) {
        return Ok((*dtype, big_endian));
    }
    let help = match name {
        "f8" => "convert it: numpy.save(path, x.astype(numpy.float32))",
        "u1" | "u2" | "u4" | "u8" => {
            "hlac has no unsigned tensors: convert it, for example with x.astype(numpy.float32)"
        }
        _ => "hlac reads the element types f2, f4, i1, i2, i4, i8 and b1",
    };
    Err((format!("the element type '{descr}' is not supported"), help))
}

#[derive(Default)]
struct Fields {
    descr: Option<String>,
    fortran: Option<bool>,
    shape: Option<Vec<usize>>,
}

impl Fields {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &str) -> Result<Fields, Refusal> {
        let mut s = Scanner(text.trim());
        let mut fields = Fields::default();
        s.expect("{")?;
        while !s.take("}") {
            let key = s.string()?;
            s.expect(":")?;
            let repeated = match &*key {
                "descr" => fields.descr.replace(s.string()?).is_some(),
                "fortran_order" => fields.fortran.replace(s.boolean()?).is_some(),
                "shape" => fields.shape.replace(s.tuple()?).is_some(),
                other => return Err(damaged(format!("the header has an unknown key '{other}'"))),
            };
            if repeated {
                return Err(damaged(format!("the header has the key '{key}' twice")));
            }
            if !s.take(",") {
                s.expect("}")?;
                break;
            }
        }
        match s.0 {
            "" => Ok(fields),
            rest => Err(damaged(format!("'{rest}' follows the header's dictionary"))),
        }
    }
}

/// Text still to be read.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.0.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), Refusal> {
        match self.take(token) {
            true => Ok(()),
            false => Err(damaged(format!(
                "the header has no '{token}' where one must be"
            ))),
        }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let Some(quote @ ('\'' | '"')) = self.0.chars().next() else {
            return Err(match self.0.starts_with('[') {
                true => (
                    "structured arrays are not supported".to_owned(),
                    "save each field as an array of its own",
                ),
                false => damaged("the header has no string where one must be"),
            });
        };
        let Some((text, rest)) = self.0[1..].split_once(quote) else {
            return Err(damaged("a string of the header has no end"));
        };
        let text = text.to_owned();
        self.0 = rest.trim_start();
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, Refusal> {
        match (self.take("True"), self.take("False")) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(damaged("'fortran_order' is neither True nor False")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Refusal> {
        self.expect("(")?;
        let mut extents = Vec::new();
        while !self.take(")") {
            let digits = self.0.len()
                - self
                    .0
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .len();
            let extent = self.0[..digits]
                .parse()
                .map_err(|_| damaged("the shape has an entry that is no extent"))?;
            extents.push(extent);
            self.0 = self.0[digits..].trim_start();
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(extents)
    }
}

/// The header of a file of this type, padded so that the elements begin at a multiple of 64.
pub(super) fn write(ty: &TensorType) -> Option<Vec<u8>> {
    let (name, _) = TYPES.iter().find(|(_, dtype)| *dtype == ty.dtype)?;
    let order = if ty.dtype.bytes() == 1 { '|' } else { '<' };
    let extents: Vec<String> = ty.shape.iter().map(usize::to_string).collect();
    let comma = if extents.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({}{comma}), }}",
        extents.join(", ")
    );
    let unpadded = MAGIC.len() + 4 + text.len() + 1;
    text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Some(bytes)
}
