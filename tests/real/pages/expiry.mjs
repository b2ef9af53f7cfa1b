// A session that ends because its user was away for too long, with a form half filled in.
//
// ORIGIN: the proxy, with oidc-provider. LIMIT: after how many idle seconds a session ends. TENANT, KEY, GOOD: what is entered.
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { accessible, launch, person, report, signInTo } from './browser.mjs';

const { ORIGIN, LIMIT, TENANT, KEY } = process.env;
const browser = await launch();
const connection = `${ORIGIN}/connections/${TENANT}`;
const over = () => setTimeout((Number(LIMIT) + 1) * 1000);

const good = await report({
  'a session that is over says so, whatever is asked of it, and stores nothing': async () => {
    const { page, faults } = await person(browser, ORIGIN);
    await signInTo(ORIGIN, 'oidc-provider', page, 'alice', connection);
    assert.match(await page.textContent('h1'), /^Connect /);
    await page.fill(`#v-${KEY}`, `ghp_${'canary'.repeat(6)}`);
    await over();
    const answer = page.waitForResponse(connection);
    await page.getByRole('button', { name: /save/i }).click();
    assert.notEqual((await answer).status(), 303);
    assert.match(await page.textContent('main'), /session has ended/i);
    await accessible(page, 'a session that is over');
    for (const path of ['/connections', `/connections/${TENANT}`, `/connections/${TENANT}/remove/${KEY}`]) {
      await page.goto(ORIGIN + path);
      assert.match(await page.textContent('h1'), /Sign in to continue/, path);
    }
    assert.deepEqual(faults, []);
    const later = await person(browser, ORIGIN);
    await signInTo(ORIGIN, 'oidc-provider', later.page, 'alice', `${ORIGIN}/connections`);
    assert.match(await later.page.textContent('main'), /Still missing/);
  },
});
await browser.close();
process.exit(good ? 0 : 1);
