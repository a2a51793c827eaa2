//! The Connector's XML as a small tree, read and written by quick-xml (`contracts/connector_s360.md` 1.4).
//!
//! Lenient where the contract is silent: elements are known by their local names, namespaces, attributes,
//! comments and elements nobody asked for are passed over. Strict where a document could do harm: no DOCTYPE
//! and with it no entity of anybody's own, no processing instructions, no character XML 1.0 does not have
//! (`&#27;` is one too), and bounds on size, depth and number of elements. What cannot be written as XML is
//! refused, never altered. No text of a document is ever part of an error.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

/// Largest document read, in bytes.
pub const LARGEST: usize = 4 * 1024 * 1024;
/// Elements within elements; the shapes of the contract need three.
const DEEPEST: usize = 16;
/// Elements of one document: a list of many thousand people.
const MOST: usize = 200_000;
/// How the document is announced.
pub const CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// Why a document is not read or written, without a word of what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Larger than [`LARGEST`]: not even looked at.
    #[error("the document is larger than {LARGEST} bytes")]
    TooLarge,
    /// It cannot be read.
    #[error("the document is refused: {0}")]
    Refused(&'static str),
    /// A text holds a character that XML 1.0 cannot carry in any spelling.
    #[error("<{0}> holds a control character that XML cannot carry")]
    Unwritable(String),
}

/// An element: its text and the elements below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its local name.
    pub name: String,
    /// Its own text, resolved, as it stands: blanks included.
    pub text: String,
    /// The elements below, in order.
    pub children: Vec<Element>,
}

impl Element {
    /// An element that holds `text`.
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), children: Vec::new() }
    }

    /// An element that holds elements.
    pub fn parent(name: &str, children: impl IntoIterator<Item = Self>) -> Self {
        Self { name: name.to_owned(), text: String::new(), children: children.into_iter().collect() }
    }

    /// The first element of this name directly below.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element of this name directly below, without blanks around it; `None` when absent.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The first element of this name, this one or anywhere below.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// Every element of this name, this one or anywhere below, but not within another of the name.
    pub fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
        if self.name == name {
            return vec![self];
        }
        self.children.iter().flat_map(|child| child.all(name)).collect()
    }

    /// The document, with an XML declaration.
    ///
    /// # Errors
    /// [`XmlError::Unwritable`] for a text with a character that XML cannot carry.
    pub fn document(&self) -> Result<Vec<u8>, XmlError> {
        let mut writer = Writer::new(Vec::new());
        put(&mut writer, Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        self.write(&mut writer)?;
        Ok(writer.into_inner())
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> Result<(), XmlError> {
        if !self.text.chars().all(is_legal) {
            return Err(XmlError::Unwritable(self.name.clone()));
        }
        if self.text.is_empty() && self.children.is_empty() {
            return put(writer, Event::Empty(BytesStart::new(self.name.as_str())));
        }
        put(writer, Event::Start(BytesStart::new(self.name.as_str())))?;
        // A reader takes a bare carriage return for a line feed.
        for (index, line) in self.text.split('\r').enumerate() {
            if index > 0 {
                put(writer, Event::GeneralRef(BytesRef::new("#13")))?;
            }
            if !line.is_empty() {
                put(writer, Event::Text(BytesText::new(line)))?;
            }
        }
        for child in &self.children {
            child.write(writer)?;
        }
        put(writer, Event::End(BytesEnd::new(self.name.as_str())))
    }

    /// Reads a whole document.
    ///
    /// # Errors
    /// [`XmlError::TooLarge`] before anything is read, [`XmlError::Refused`] for what the module head names.
    pub fn read(bytes: &[u8]) -> Result<Self, XmlError> {
        if bytes.len() > LARGEST {
            return Err(XmlError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Refused("it is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::from_str(text);
        let mut building = Building::default();
        loop {
            match reader.read_event().map_err(|_| XmlError::Refused("it is not well-formed"))? {
                Event::Eof => return building.done(),
                event => building.take(&event)?,
            }
        }
    }
}

fn put(writer: &mut Writer<Vec<u8>>, event: Event<'_>) -> Result<(), XmlError> {
    writer.write_event(event).map_err(|_| XmlError::Refused("it cannot be written"))
}

/// Whether XML 1.0 has the character.
pub fn is_legal(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// A document being read.
#[derive(Debug, Default)]
struct Building {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Building {
    fn take(&mut self, event: &Event<'_>) -> Result<(), XmlError> {
        match event {
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().and_then(Result::ok);
                match encoding.is_none_or(|name| name.eq_ignore_ascii_case("utf-8")) {
                    true => Ok(()),
                    false => Err(XmlError::Refused("it is not UTF-8")),
                }
            }
            Event::DocType(_) => Err(XmlError::Refused("it has a DOCTYPE")),
            Event::PI(_) => Err(XmlError::Refused("it has a processing instruction")),
            Event::Comment(_) | Event::Eof => Ok(()),
            Event::Start(start) => self.start(start),
            Event::Empty(start) => {
                self.start(start)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let no_char = |_| XmlError::Refused("it names a character that does not exist");
                match reference.resolve_char_ref().map_err(no_char)? {
                    Some(char) => self.text(char.encode_utf8(&mut [0; 4])),
                    None => {
                        let known = resolve_predefined_entity(reference);
                        self.text(known.ok_or(XmlError::Refused("it names an entity of its own"))?)
                    }
                }
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        self.count += 1;
        if self.root.is_some() {
            return Err(XmlError::Refused("it has a second root"));
        }
        if self.open.len() >= DEEPEST || self.count > MOST {
            return Err(XmlError::Refused("it is too deep, or has too many elements"));
        }
        let name = start.local_name();
        self.open.push(Element::leaf(name.into_inner(), ""));
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let ended = self.open.pop().ok_or(XmlError::Refused("it is not well-formed"))?;
        match self.open.last_mut() {
            Some(above) => above.children.push(ended),
            None => self.root = Some(ended),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if !text.chars().all(is_legal) {
            return Err(XmlError::Refused("it holds a control character"));
        }
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(XmlError::Refused("it has text outside its root")),
        }
        Ok(())
    }

    fn done(self) -> Result<Element, XmlError> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(XmlError::Refused("it is not well-formed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        Element::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn hostile_names_go_there_and_back_p15() {
        let long = "x".repeat(10_000);
        for name in [
            "R&D <x>",
            "a ]]> b",
            "<![CDATA[x]]>",
            "&amp;&lt;",
            "東京 太郎",
            "👩‍👩‍👧 💥",
            "\u{202e}drow",
            "\u{200f}שלום",
            " both ends ",
            "line\nline\ttab\r\nend\r",
            "\"quoted\" 'too'",
            &long,
        ] {
            let whole = Element::parent("user", [Element::leaf("firstname", name), Element::leaf("lastname", "")]);
            assert_eq!(Element::read(&whole.document().unwrap()).unwrap(), whole, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_xml_can_carry_goes_there_and_back_and_no_other_is_written_p15(text in ".{0,200}|[\\x00-\\x20&<>\\]\"';]{0,40}") {
            let whole = Element::parent("leadSource", [Element::leaf("name", text.clone())]);
            match whole.document() {
                Ok(bytes) => prop_assert_eq!(Element::read(&bytes).unwrap(), whole),
                Err(error) => {
                    prop_assert_eq!(error, XmlError::Unwritable("name".to_owned()));
                    prop_assert!(!text.chars().all(is_legal));
                }
            }
        }

        #[test]
        fn whatever_is_posted_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), xml in "[<>/a-c&;\\[\\]!?\"= #x0-9-]{0,120}") {
            let _ = Element::read(&bytes);
            let _ = Element::read(xml.as_bytes());
        }
    }

    #[test]
    fn only_the_predefined_and_numeric_entities_are_known_p15() {
        let read = Element::read(b"<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;</a>").unwrap();
        assert_eq!(read.text, "<>&'\"A😀");
        assert!(refused("<a>&nbsp;</a>").contains("entity"));
        assert!(refused("<a>&#27;</a>").contains("control"));
        assert!(refused("<a>&#xFFFFFFFF;</a>").contains("character"));
        assert!(refused("<a>\u{1b}[2J</a>").contains("control"));
    }

    #[test]
    fn bombs_and_external_entities_are_refused_at_their_declaration() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;\">]><a>&y;</a>";
        assert!(refused(bomb).contains("DOCTYPE"));
        let external = "<!DOCTYPE a SYSTEM \"http://192.0.2.1/a.dtd\"><a/>";
        assert!(refused(external).contains("DOCTYPE"));
        assert!(refused("<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><a>&f;</a>").contains("DOCTYPE"));
        assert!(refused("<?php x ?><a/>").contains("instruction"));
    }

    #[test]
    fn depth_number_and_size_are_bounded() {
        assert!(refused(&format!("{}{}", "<a>".repeat(17), "</a>".repeat(17))).contains("deep"));
        assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(MOST))).contains("many"));
        assert_eq!(Element::read(&vec![b' '; 5_000_000]), Err(XmlError::TooLarge));
        for broken in ["", "<a>", "</a>", "<a></b>", "<a/><b/>", "x<a/>", "<a/>x", "<a"] {
            assert!(Element::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn local_names_count_and_what_nobody_asked_for_is_passed_over() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- hi --><t:response xmlns:t=\"urn:x\" a='1'>
            <t:new><t:deep/></t:new><t:uuid> u-1 </t:uuid></t:response>";
        let read = Element::read(text.as_bytes()).unwrap();
        assert_eq!((read.name.as_str(), read.text_of("uuid")), ("response", Some("u-1")));
        assert_eq!((read.find("deep").is_some(), read.all("uuid").len(), read.text_of("absent")), (true, 1, None));
    }
}
