//! Going through everything, in the order of the keys.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{Owner, Record, SecretId, StoreError};

use crate::document::damaged;
use crate::path;
use crate::vault::OpenBaoVault;

/// How long a listing of the users of an issuer is used for further pages.
const LISTING_LIFETIME: Duration = Duration::from_secs(30);

/// The last listing of users, so that each page of a scan does not ask for all of them again.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<Option<Listing>>);

#[derive(Debug)]
struct Listing {
    below: [String; 2],
    made: Instant,
    subjects: Arc<[String]>,
}

impl Listings {
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn subjects(&self, below: [&str; 2]) -> Option<Arc<[String]>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = held.as_ref().filter(|listing| {
            listing.below == below && listing.made.elapsed() < LISTING_LIFETIME
        })?;
        Some(Arc::clone(&listing.subjects))
    }

    fn keep(&self, below: [&str; 2], made: Instant, subjects: &Arc<[String]>) {
        let (below, subjects) = (below.map(str::to_owned), Arc::clone(subjects));
        let listing = Listing { below, made, subjects };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
    }
}

impl OpenBaoVault {
    pub(crate) async fn page(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        if after.is_none() {
            self.listings.forget();
        }
        // A part of the key is skipped where what is before it is the same and it is smaller.
        let from = after.map(|id| id.owner().parts());
        let mut page = Vec::new();
        for issuer in self.children(&[], from.map(|[issuer, ..]| issuer)).await? {
            let from = from.filter(|[from, ..]| *from == issuer);
            let directories = self.children(&[&issuer], from.map(|from| from[1])).await?;
            for directory in directories {
                let from = from.filter(|from| from[1] == directory);
                let subjects = self.subjects([&issuer, &directory]).await?;
                let first = from.map_or(0, |from| {
                    subjects.partition_point(|subject| subject.as_str() < from[2])
                });
                for subject in subjects.get(first..).unwrap_or_default() {
                    let user = user(&issuer, &directory, subject)?;
                    self.rows_of(&user, after, limit, &mut page).await?;
                    if page.len() >= limit {
                        return Ok(page);
                    }
                }
            }
        }
        Ok(page)
    }

    /// Adds the rows of one user that are behind `after`.
    async fn rows_of(
        &self,
        user: &UserId,
        after: Option<&SecretId>,
        limit: usize,
        page: &mut Vec<(SecretId, Record)>,
    ) -> Result<(), StoreError> {
        for tenant in self.leaves(&user.parts()).await? {
            let tenant: TenantId =
                tenant.parse().map_err(|_| damaged("a path is not that of a tenant"))?;
            let owner = Owner::new(user, &tenant);
            if after.is_some_and(|after| owner < after.owner()) {
                continue;
            }
            for (name, record) in self.fetch(owner).await?.1 {
                let id = SecretId::new(user.clone(), tenant.clone(), name);
                if page.len() < limit && after.is_none_or(|after| id > *after) {
                    page.push((id, record));
                }
            }
            if page.len() >= limit {
                break;
            }
        }
        Ok(())
    }

    async fn subjects(&self, below: [&str; 2]) -> Result<Arc<[String]>, StoreError> {
        if let Some(subjects) = self.listings.subjects(below) {
            return Ok(subjects);
        }
        let made = Instant::now();
        let subjects: Arc<[String]> = self.children(&below, None).await?.into();
        self.listings.keep(below, made, &subjects);
        Ok(subjects)
    }

    /// The directories below a path from `first` on, decoded and in order.
    async fn children(
        &self,
        below: &[&str],
        first: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let names = self.names(below).await?;
        let names = names.iter().map(|name| name.strip_suffix('/').unwrap_or("/"));
        let mut names = decoded(names)?;
        names.retain(|name| first.is_none_or(|first| name.as_str() >= first));
        Ok(names)
    }

    /// The entries below a path, decoded and in order.
    async fn leaves(&self, below: &[&str]) -> Result<Vec<String>, StoreError> {
        decoded(self.names(below).await?.iter().map(String::as_str))
    }
}

fn decoded<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, StoreError> {
    let names = names.map(|name| {
        path::decode(name)
            .ok_or_else(|| damaged("there is a path that this program does not write"))
    });
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    Ok(names)
}

fn user(issuer: &str, directory: &str, subject: &str) -> Result<UserId, StoreError> {
    let wrong = |_| damaged("a path is not that of a user");
    let directory = Some(directory).filter(|directory| !directory.is_empty());
    let directory = directory.map(str::parse).transpose().map_err(wrong)?;
    let (issuer, subject) = (issuer.parse().map_err(wrong)?, subject.parse().map_err(wrong)?);
    Ok(UserId::new(issuer, directory, subject))
}
