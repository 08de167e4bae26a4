//! An author's first entry: its admission to the space.

use crate::codec::Reader;
use crate::keys::{self, AuthorSecret, SignatureBytes};
use crate::{AuthorId, Body, BodyKind, Error, SpaceId};

const ADMIT: &[u8] = b"kith/1 admit\n";
const CONTINUE: &[u8] = b"kith/1 continue\n";

/// The proof that an author belongs to a space, and, where it continues an earlier author, that
/// both are the same member.
///
/// The opening's payload:
/// ```text
/// | admission signature, 64 | u8 continues: 0 |
/// | admission signature, 64 | u8 continues: 1 | previous author, 32 | its signature, 64 |
/// ```
/// The admission key signs `"kith/1 admit\n" ‖ space ‖ author [‖ previous author]`; the previous
/// author signs `"kith/1 continue\n" ‖ space ‖ previous author ‖ author`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    admission: SignatureBytes,
    continues: Option<(AuthorId, SignatureBytes)>,
}

impl Opening {
    /// Admits an author to the space with this admission seed (whose public key is the space's
    /// id). `previous` is the author of this device's last incarnation.
    pub fn admit(
        admission_seed: &[u8; 32],
        author: &AuthorId,
        previous: Option<&AuthorSecret>,
    ) -> Self {
        let admission = AuthorSecret::from_seed(admission_seed);
        let space = SpaceId::from_bytes(*admission.author().as_bytes());
        let continues = previous.map(|secret| {
            let previous = secret.author();
            (previous, secret.sign(&continue_message(&space, &previous, author)))
        });
        let message = admit_message(&space, author, continues.as_ref().map(|(id, _)| id));
        Self { admission: admission.sign(&message), continues }
    }

    /// The author whose log this one continues. A member is the first author of such a chain.
    pub fn previous(&self) -> Option<&AuthorId> {
        self.continues.as_ref().map(|(author, _)| author)
    }

    /// The body of entry 0, epoch 0.
    pub fn to_body(&self) -> Vec<u8> {
        let mut payload = self.admission.to_vec();
        payload.push(u8::from(self.continues.is_some()));
        if let Some((previous, signature)) = &self.continues {
            payload.extend(previous.as_bytes());
            payload.extend(signature);
        }
        Body::new(BodyKind::Opening, payload).to_plain().expect("an opening is small")
    }

    /// Reads and checks the body of entry 0.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`] unless both signatures verify; others for bytes that don't decode.
    pub fn verify(body: &[u8], space: &SpaceId, author: &AuthorId) -> Result<Self, Error> {
        let opening = Self::decode(body)?;
        let message = admit_message(space, author, opening.previous());
        keys::verify(space.as_bytes(), &message, &opening.admission, "an admission")
            .map_err(|_| Error::NotAdmitted(*author))?;
        if let Some((previous, signature)) = &opening.continues {
            let message = continue_message(space, previous, author);
            keys::verify(previous.as_bytes(), &message, signature, "a continuation")
                .map_err(|_| Error::NotAdmitted(*author))?;
        }
        Ok(opening)
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("an opening", body);
        if reader.u8()? != BodyKind::Opening as u8 {
            return Err(Error::Malformed("a first entry that is not an opening"));
        }
        let admission = reader.array()?;
        let continues = if reader.bool()? {
            Some((AuthorId::from_bytes(reader.array()?), reader.array()?))
        } else {
            None
        };
        reader.end()?;
        Ok(Self { admission, continues })
    }
}

fn admit_message(space: &SpaceId, author: &AuthorId, previous: Option<&AuthorId>) -> Vec<u8> {
    let previous = previous.map_or(&[] as &[u8], |id| id.as_bytes());
    [ADMIT, space.as_bytes(), author.as_bytes().as_slice(), previous].concat()
}

fn continue_message(space: &SpaceId, previous: &AuthorId, author: &AuthorId) -> Vec<u8> {
    [CONTINUE, space.as_bytes(), previous.as_bytes().as_slice(), author.as_bytes()].concat()
}
