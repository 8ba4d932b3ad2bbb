/// An enum whose variants are the words of a column's CHECK: parsed, shown, serialised and stored by them.
macro_rules! vocabulary {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the database and on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(word: &str) -> $crate::Result<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    $crate::Error::bad_input($what, format!("{word:?} is none of {}", known.join(", ")))
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'a> agent_turbo_db::types::FromSql<'a> for $name {
            fn from_sql(
                ty: &agent_turbo_db::types::Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                let word = <&str as agent_turbo_db::types::FromSql>::from_sql(ty, raw)?;
                Ok(word.parse::<Self>()?)
            }

            fn accepts(ty: &agent_turbo_db::types::Type) -> bool {
                <&str as agent_turbo_db::types::FromSql>::accepts(ty)
            }
        }
    };
}
pub(crate) use vocabulary;
