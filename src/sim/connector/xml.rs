//! XML as the simulated Connector reads and writes it: a small tree, strict both ways.
//!
//! Reading refuses what a careful service has no use for: DOCTYPE and with it every entity declaration,
//! entities nobody declared, processing instructions, attributes other than the default namespace, prefixed
//! names, mixed content, an element twice below one parent, characters XML 1.0 does not have (also as
//! `&#27;`), and anything deep or broken. Writing refuses characters that cannot be written. quick-xml does
//! the parsing and the escaping.

use quick_xml::Reader;
use quick_xml::Writer;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// The namespace of the 2011-11 API (contract 1.4).
pub const NAMESPACE: &str = "http://www.intouchfollowup.com/api/2011-11";

/// Elements within elements; the shapes of the contract need three.
const DEEPEST: usize = 8;

/// Why a document was refused, in words for a person. Never quotes the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// It cannot be read.
    #[error("the document is refused: {0}")]
    Refused(&'static str),
    /// A text holds a character that XML 1.0 cannot carry in any spelling.
    #[error("the text of <{0}> holds a character XML cannot carry")]
    Unwritable(String),
}

/// An element: either elements below it or text, never both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without a prefix.
    pub name: String,
    /// Its text, resolved. Empty when there are elements below.
    pub text: String,
    /// The elements below, in order.
    pub children: Vec<Element>,
    /// Whether it is written with, or was read with, [`NAMESPACE`] as default namespace.
    pub namespaced: bool,
}

impl Element {
    /// An element that holds `text`.
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// An element that holds elements.
    pub fn parent(name: &str, children: impl IntoIterator<Item = Self>) -> Self {
        Self { name: name.to_owned(), children: children.into_iter().collect(), ..Self::default() }
    }

    /// The same with the API's namespace declared on it.
    pub fn in_namespace(self) -> Self {
        Self { namespaced: true, ..self }
    }

    /// The element of this name directly below.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element of this name directly below; `None` when it is absent.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Every element that holds no other, as path (`user/userInfo/firstname`) and text, in order.
    pub fn leaves(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.gather("", &mut found);
        found
    }

    fn gather(&self, above: &str, found: &mut Vec<(String, String)>) {
        let path = if above.is_empty() { self.name.clone() } else { format!("{above}/{}", self.name) };
        if self.children.is_empty() {
            found.push((path, self.text.clone()));
        } else {
            self.children.iter().for_each(|child| child.gather(&path, found));
        }
    }

    /// The document, with an XML declaration.
    ///
    /// # Errors
    /// [`XmlError::Unwritable`] for a text with a character that XML cannot carry.
    pub fn document(&self) -> Result<Vec<u8>, XmlError> {
        let mut writer = Writer::new(Vec::new());
        let declared = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        declared.map_err(|_| XmlError::Refused("it cannot be written"))?;
        self.write(&mut writer)?;
        Ok(writer.into_inner())
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> Result<(), XmlError> {
        if !self.text.chars().all(legal) {
            return Err(XmlError::Unwritable(self.name.clone()));
        }
        let mut start = BytesStart::new(self.name.as_str());
        if self.namespaced {
            start.push_attribute(("xmlns", NAMESPACE));
        }
        let mut put =
            |event: Event<'_>| writer.write_event(event).map_err(|_| XmlError::Refused("it cannot be written"));
        put(Event::Start(start))?;
        if !self.text.is_empty() {
            put(Event::Text(BytesText::new(&self.text)))?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        let ended = writer.write_event(Event::End(BytesEnd::new(self.name.as_str())));
        ended.map_err(|_| XmlError::Refused("it cannot be written"))
    }

    /// Reads a whole document. Names repeated below one parent are refused unless the parent is one of
    /// `lists`.
    ///
    /// # Errors
    /// [`XmlError::Refused`] for everything the module head names.
    pub fn read(bytes: &[u8], lists: &[&str]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Refused("it is not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        let mut building = Building { open: Vec::new(), root: None, lists };
        loop {
            let event = reader.read_event().map_err(|_| XmlError::Refused("it is not well-formed"))?;
            match event {
                Event::Eof => return building.done(),
                event => building.take(event)?,
            }
        }
    }
}

/// Whether XML 1.0 has the character.
pub fn legal(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

struct Building<'l> {
    open: Vec<Element>,
    root: Option<Element>,
    lists: &'l [&'l str],
}

impl Building<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), XmlError> {
        match event {
            Event::Decl(declaration) => {
                let encoding =
                    declaration.encoding().transpose().map_err(|_| XmlError::Refused("its declaration is broken"))?;
                let known = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("utf-8"));
                let first = self.open.is_empty() && self.root.is_none();
                if known && first {
                    Ok(())
                } else {
                    Err(XmlError::Refused("its declaration is not that of a UTF-8 document"))
                }
            }
            Event::DocType(_) => Err(XmlError::Refused("it has a DOCTYPE")),
            Event::PI(_) => Err(XmlError::Refused("it has a processing instruction")),
            Event::Comment(_) => Ok(()),
            Event::Start(start) => self.start(&start),
            Event::Empty(start) => {
                self.start(&start)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) if text.contains("]]>") => Err(XmlError::Refused("it is not well-formed")),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let broken = XmlError::Refused("it names a character that does not exist");
                match reference.resolve_char_ref().map_err(|_| broken)? {
                    Some(char) => self.text(char.encode_utf8(&mut [0; 4])),
                    None => {
                        let known = resolve_predefined_entity(&reference);
                        self.text(known.ok_or(XmlError::Refused("it names an entity nobody declared"))?)
                    }
                }
            }
            Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.root.is_some() || self.open.len() >= DEEPEST {
            return Err(XmlError::Refused("it has a second root, or is too deep"));
        }
        let name = start.name().into_inner();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(XmlError::Refused("it has a name this API does not use"));
        }
        let mut element = Element { name: name.to_owned(), ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Refused("it is not well-formed"))?;
            if attribute.key.into_inner() != "xmlns" || attribute.value != NAMESPACE {
                return Err(XmlError::Refused("it has an attribute or a namespace this API does not use"));
            }
            element.namespaced = true;
        }
        if let Some(parent) = self.open.last_mut() {
            if parent.text.chars().any(|char| !char.is_ascii_whitespace()) {
                return Err(XmlError::Refused("it mixes text and elements"));
            }
            parent.text.clear();
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        // quick-xml has matched the names: an end without a start never comes here.
        let ended = self.open.pop().ok_or(XmlError::Refused("it is not well-formed"))?;
        match self.open.last_mut() {
            None => self.root = Some(ended),
            Some(parent) => {
                if parent.child(&ended.name).is_some() && !self.lists.contains(&parent.name.as_str()) {
                    return Err(XmlError::Refused("it has an element twice"));
                }
                parent.children.push(ended);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if !text.chars().all(legal) {
            return Err(XmlError::Refused("it holds a character XML does not have"));
        }
        let blank = text.chars().all(|char| char.is_ascii_whitespace());
        match self.open.last_mut() {
            None if blank => Ok(()),
            None => Err(XmlError::Refused("it has text outside of its root")),
            Some(element) if element.children.is_empty() => {
                element.text.push_str(text);
                Ok(())
            }
            Some(_) if blank => Ok(()),
            Some(_) => Err(XmlError::Refused("it mixes text and elements")),
        }
    }

    fn done(self) -> Result<Element, XmlError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(XmlError::Refused("it is not well-formed")),
        }
    }
}
