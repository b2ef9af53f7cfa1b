// The pages of a running proxy in a real browser.
//
// ORIGIN: the proxy. PROVIDER: `demo` or `oidc-provider`, which differ in how one says who one is. SCREENSHOTS: where pictures
// go, if they are wanted. Prints a line for each check, and ends with status 1 if one fails.
import assert from 'node:assert/strict';

import { accessible, fits, identifyAt, launch, person, report, signInTo } from './browser.mjs';

const { ORIGIN, PROVIDER, SCREENSHOTS } = process.env;
const TENANT = process.env.TENANT ?? 'github';
const KEY = process.env.KEY ?? 'GITHUB_TOKEN';
const GOOD = process.env.GOOD ?? `ghp_${'canary'.repeat(6)}`;
const BETTER = `${GOOD}X`;
const browser = await launch();
const connection = `${ORIGIN}/connections/${TENANT}`;
const field = `#v-${KEY}`;

const picture = async (page, name) => {
  if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
};

const identify = identifyAt(PROVIDER);
const signIn = (page, user, to = `${ORIGIN}/connections`) => signInTo(ORIGIN, PROVIDER, page, user, to);

const as = async (user, run, options) => {
  const someone = await person(browser, ORIGIN, options);
  try {
    if (user) await signIn(someone.page, user);
    await run(someone.page, someone);
    assert.deepEqual(someone.faults, []);
  } finally {
    await someone.close();
  }
};

const save = async (page, value) => {
  await page.goto(connection);
  await page.fill(field, value);
  await page.getByRole('button', { name: /save/i }).click();
};

const remove = async (page) => {
  await page.goto(connection);
  const link = page.getByRole('link', { name: /^Remove / });
  if (await link.count()) {
    await link.first().click();
    await page.getByRole('button', { name: 'Remove' }).click();
  }
};

const checks = {
  'a link from a chat leads through sign-in to where it points': () =>
    as(null, async (page) => {
      await page.goto(connection);
      await accessible(page, 'sign-in');
      await picture(page, 'sign-in');
      assert.match(await page.textContent('h1'), /Sign in to continue/);
      await page.getByRole('link', { name: 'Sign in', exact: true }).click();
      await identify(page, 'alice');
      await page.waitForURL(connection);
      assert.match(await page.textContent('h1'), /^Connect /);
    }),

  'a value is entered, replaced and removed': () =>
    as('alice', async (page) => {
      await remove(page);
      await page.goto(`${ORIGIN}/connections`);
      assert.match(await page.textContent('main'), /Still missing/);
      await save(page, GOOD);
      await page.waitForURL(`${connection}?saved`);
      assert.match(await page.getByRole('status').textContent(), /Saved/);
      await accessible(page, 'saved');
      await save(page, BETTER);
      await page.waitForURL(`${connection}?saved`);
      assert.ok(!(await page.content()).includes(GOOD), 'a secret is shown');
      await page.getByRole('link', { name: /^Remove / }).first().click();
      await accessible(page, 'remove');
      await page.getByRole('link', { name: 'Keep it' }).last().click();
      await remove(page);
      await page.waitForURL(`${connection}?removed`);
      assert.match(await page.textContent('main'), /Still missing/);
    }),

  'a wrong value is explained beside its field': () =>
    as('alice', async (page) => {
      await remove(page);
      await save(page, 'hunter2');
      await page.waitForSelector('[role=alert]');
      assert.match(await page.textContent('[role=alert]'), /Nothing was stored yet/);
      assert.equal(await page.getAttribute(field, 'aria-invalid'), 'true');
      assert.equal(await page.inputValue(field), '', 'a secret came back');
      await accessible(page, 'wrong value');
      await picture(page, 'wrong-value');
      await page.locator('[role=alert] a').click();
      assert.ok(await page.locator(field).evaluate((it) => it === document.activeElement));
    }),

  'everything can be done with the keyboard': () =>
    as('alice', async (page) => {
      await remove(page);
      await page.goto(connection);
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
      for (let step = 0; step < 20; step += 1) {
        if (await page.locator(field).evaluate((it) => it === document.activeElement)) break;
        await page.keyboard.press('Tab');
      }
      await page.keyboard.type(GOOD);
      await page.keyboard.press('Enter');
      await page.waitForURL(`${connection}?saved`);
    }),

  'a form of another page changes nothing': () =>
    as('alice', async (page, { context }) => {
      await remove(page);
      const cookies = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
      const forged = await context.newPage();
      await forged.setContent(
        `<form method="post" action="${connection}"><input name="v-${KEY}" value="${GOOD}"><button>Win</button></form>`,
      );
      const answer = forged.waitForResponse(connection);
      await forged.getByRole('button').click();
      const status = (await answer).status();
      assert.ok([403, 200].includes(status), `${status}`);
      // With all of the cookies, and without the token of the page.
      const response = await fetch(connection, {
        method: 'POST',
        headers: { cookie: cookies, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ csrf: 'AAAA', [`v-${KEY}`]: GOOD }),
      });
      assert.equal(response.status, 403);
      await page.goto(connection);
      assert.match(await page.textContent('main'), /Still missing/);
    }),

  'a session that has ended says so, and nothing is stored': () =>
    as('alice', async (page, { context }) => {
      await remove(page);
      await page.goto(connection);
      await page.fill(field, GOOD);
      // The browser has lost its session; `expiry.mjs` waits until one is over.
      const kept = (await context.cookies()).filter(({ name }) => !name.includes('session'));
      await context.clearCookies();
      await context.addCookies(kept);
      await page.getByRole('button', { name: /save/i }).click();
      assert.match(await page.textContent('h1'), /Sign in to continue/);
      await signIn(page, 'alice');
      await page.goto(connection);
      assert.match(await page.textContent('main'), /Still missing/);
    }),

  'after signing out, the back button shows nothing': () =>
    as('alice', async (page) => {
      await page.goto(connection);
      await page.getByRole('button', { name: 'Sign out' }).click();
      assert.match(await page.textContent('h1'), /signed out/);
      await accessible(page, 'signed out');
      await page.goBack();
      assert.match(await page.textContent('h1'), /Sign in to continue/);
      await page.goto(`${ORIGIN}/connections`);
      assert.match(await page.textContent('h1'), /Sign in to continue/);
    }),

  'somebody else sees their own values only, and is told what they may not use': async () => {
    await as('alice', (page) => save(page, GOOD));
    await as('bob', async (page) => {
      await remove(page);
      await page.goto(connection);
      assert.match(await page.textContent('main'), /Still missing/);
    });
    await as('carol', async (page) => {
      const response = await page.goto(connection);
      if (PROVIDER !== 'demo') return;
      assert.equal(response.status(), 403);
      assert.match(await page.textContent('main'), /has not been given access/);
      await accessible(page, 'denied');
    });
  },

  'it works without JavaScript': () =>
    as(
      'alice',
      async (page) => {
        await remove(page);
        await save(page, GOOD);
        await page.waitForURL(`${connection}?saved`);
      },
      { javaScriptEnabled: false },
    ),

  'it fits on a phone': () =>
    as(
      'alice',
      async (page) => {
        for (const path of ['/connections', `/connections/${TENANT}`, `/connections/${TENANT}/remove/${KEY}`]) {
          await page.goto(ORIGIN + path);
          await fits(page, path);
          await accessible(page, `${path} on a phone`);
        }
        await page.goto(connection);
        await picture(page, 'phone');
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1 },
    ),

  'it is readable in the dark': () =>
    as(
      'alice',
      async (page) => {
        for (const path of ['/connections', `/connections/${TENANT}`, `/connections/${TENANT}/remove/${KEY}`]) {
          await page.goto(ORIGIN + path);
          await accessible(page, `${path} in the dark`);
        }
        await page.goto(`${ORIGIN}/connections`);
        await picture(page, 'overview-dark');
        const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.ok(background.match(/\d+/g).every((part) => Number(part) < 64), background);
      },
      { colorScheme: 'dark' },
    ),

  'an administrator sees who did what, resets a value, and everybody else finds nothing there': async () => {
    // The demonstration has no administrators.
    if (PROVIDER === 'demo') return;
    await as('alice', async (page) => {
      await save(page, GOOD);
      const response = await page.goto(`${ORIGIN}/connections/-/audit`);
      assert.equal(response.status(), 404);
    });
    const look = async (page, path, name) => {
      await page.goto(ORIGIN + path);
      await accessible(page, name);
      await fits(page, name);
    };
    const paths = ['users', 'audit', 'audit?user=alice', 'audit?user=nobody'].map((path) => `/connections/-/${path}`);
    await as('root', async (page) => {
      for (const path of paths) await look(page, path, path);
      await page.goto(`${ORIGIN}/connections/-/users`);
      await page.getByRole('link', { name: 'alice', exact: true }).click();
      await accessible(page, 'user');
      await page.getByRole('button', { name: /^Reset/ }).first().click();
      await page.getByRole('link', { name: 'Activity' }).click();
      // The audit is written behind what is done.
      for (let tries = 0; tries < 50; tries += 1) {
        if ((await page.textContent('main')).includes('Reset a value of alice')) break;
        await page.waitForTimeout(100);
        await page.reload();
      }
      const rows = page.getByRole('row');
      assert.match(await rows.nth(1).textContent(), /root.*Reset a value of alice.*notes \/ NOTES_KEY.*Allowed/s);
      assert.ok((await rows.allTextContents()).some((row) => /alice.*(Entered|Replaced) a value/s.test(row)));
      assert.ok(!(await page.content()).includes(GOOD), 'a value is shown');
      await page.getByLabel('User, by the id of the issuer').fill('root');
      await page.getByLabel('Service').selectOption('notes');
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'Show' }).click();
      await page.waitForURL(/user=root&tenant=notes/);
      assert.equal(await page.getByRole('row').count(), 2);
    });
    const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, javaScriptEnabled: true };
    await as('root', async (page) => look(page, '/connections/-/audit', 'activity on a phone'), phone);
    await as('root', async (page) => look(page, '/connections/-/audit', 'activity in the dark'), { colorScheme: 'dark' });
  },

  'a page is small and comes from here': () =>
    as('alice', async (page) => {
      const requests = [];
      page.on('requestfinished', (request) => requests.push(request));
      for (const path of ['/connections', `/connections/${TENANT}`]) {
        requests.length = 0;
        await page.goto(ORIGIN + path, { waitUntil: 'networkidle' });
        let bytes = 0;
        for (const request of requests) {
          assert.equal(new URL(request.url()).origin, ORIGIN);
          bytes += (await (await request.response()).body()).length;
        }
        assert.ok(bytes > 0 && bytes < 50_000, `${path}: ${bytes} bytes`);
        console.log(`       ${path}: ${bytes} bytes`);
      }
      await accessible(page, 'connection');
      await page.goto(`${ORIGIN}/connections`);
      await accessible(page, 'overview');
      await picture(page, 'overview');
      await page.goto(connection);
      await picture(page, 'connection');
    }),
};

const good = await report(checks);
await browser.close();
process.exit(good ? 0 : 1);
