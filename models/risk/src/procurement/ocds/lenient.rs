//! Reading JSON of which only some fields matter, and of which any field may have the wrong type.
//!
//! Invariant: a wrong type gives the empty value and the rest of the record is read on; of a key
//! that stands twice the last one counts. Deliberately absent: allocation for what is not kept.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Answers for every scalar a visitor does not want: the empty value.
macro_rules! scalars_are_empty {
    ($($method:ident: $kind:ty),+) => { $(
        fn $method<E: serde::de::Error>(self, _: $kind) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    )+ };
}
pub(super) use scalars_are_empty;

/// Drains a list that is not wanted.
pub(super) fn drain_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Drains an object that is not wanted.
pub(super) fn drain_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A string, if it is one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl Text<'_> {
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Wanted<'a> {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
            scalars_are_empty!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
            fn visit_unit<E>(self) -> Result<Text<'a>, E> {
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Text<'a>, A::Error> {
                drain_list(list).map(|()| Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Text<'a>, A::Error> {
                drain_object(object).map(|()| Text::default())
            }
        }
        deserializer.deserialize_any(Wanted(PhantomData))
    }
}

/// A number, if it is one; whole numbers from 0 are kept as such.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Absent or not a number.
    #[default]
    None,
    /// A whole number, not negative.
    Whole(u64),
    /// Any other number.
    Real(f64),
}

impl Number {
    /// The value as a real number.
    pub(super) fn real(self) -> Option<f64> {
        match self {
            Number::None => None,
            Number::Whole(whole) => Some(whole as f64),
            Number::Real(real) => Some(real),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl<'de> Visitor<'de> for Wanted {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Whole(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Real(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Real(number))
            }
            scalars_are_empty!(visit_bool: bool, visit_str: &str);
            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number::None)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Number, A::Error> {
                drain_list(list).map(|()| Number::None)
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Number, A::Error> {
                drain_object(object).map(|()| Number::None)
            }
        }
        deserializer.deserialize_any(Wanted)
    }
}

/// A list, if it is one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List<T>(pub(super) Option<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(None)
    }
}

impl<T> List<T> {
    /// The elements; none where there is no list.
    pub(super) fn all(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Wanted<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(List(Some(elements)))
            }
            scalars_are_empty!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
            fn visit_unit<E>(self) -> Result<List<T>, E> {
                Ok(List(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<List<T>, A::Error> {
                drain_object(object).map(|()| List(None))
            }
        }
        deserializer.deserialize_any(Wanted(PhantomData))
    }
}

/// A key of an object.
#[derive(Debug)]
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Wanted<'a> {
            type Value = Key<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Wanted(PhantomData))
    }
}

/// Declares an object of which some fields are read, each by its key.
macro_rules! lenient_object {
    ($(#[$doc:meta])* $name:ident { $($key:literal => $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, PartialEq)]
        pub(super) struct $name<'a> { $(pub(super) $field: $kind),+ }

        impl<'de: 'a, 'a> serde::de::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::procurement::ocds::lenient::{Key, drain_list, scalars_are_empty};
                struct Wanted<'a>(std::marker::PhantomData<&'a ()>);
                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Wanted<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("any value")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut object: A) -> Result<$name<'a>, A::Error> {
                        let mut read = $name::default();
                        while let Some(Key(key)) = object.next_key()? {
                            match key.as_ref() {
                                $($key => read.$field = object.next_value()?,)+
                                _ => { object.next_value::<serde::de::IgnoredAny>()?; }
                            }
                        }
                        Ok(read)
                    }
                    scalars_are_empty!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
                    fn visit_unit<E>(self) -> Result<$name<'a>, E> {
                        Ok($name::default())
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<$name<'a>, A::Error> {
                        drain_list(list).map(|()| $name::default())
                    }
                }
                deserializer.deserialize_any(Wanted(std::marker::PhantomData))
            }
        }
    };
}
pub(super) use lenient_object;
