// Chromium, headless, with a profile of its own for each context, and the checks that every page has to pass.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ARGUMENTS,
  });

// A browser of one person. What a page may not do is an error here: load from elsewhere, run a script, grow large.
export const person = async (browser, origin, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1000, height: 760 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    const ours = url.origin === new URL(origin).origin;
    if (!ours && !request.isNavigationRequest() && !url.pathname.startsWith('/favicon'))
      if (new URL(page.url() === 'about:blank' ? origin : page.url()).origin === new URL(origin).origin)
        faults.push(`loads ${request.url()}`);
  });
  page.on('pageerror', (error) => faults.push(`page error: ${error}`));
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) faults.push(message.text());
  });
  return { context, page, faults, close: () => context.close() };
};

// No violation of what axe-core knows of WCAG 2.2, level AA, and of its best practices. It is run in a world of its own,
// so that the page's policy stays as it is.
export const accessible = async (page, name) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((it) => it.html).join(' | ')}`);
  assert.deepEqual(found, [], `axe-core on ${name}`);
};

// No page is wider than the window.
export const fits = async (page, name) => {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${name} is ${content} wide in a window of ${window}`);
};

// Says who one is to the issuer, whichever it is.
export const identifyAt = (provider) => async (page, user) => {
  if (provider === 'demo') return page.getByRole('link', { name: user, exact: true }).click();
  await page.getByLabel('User').fill(user);
  await page.getByRole('button', { name: 'Continue' }).click();
};

// From a page that asks to sign in to where it led.
export const signInTo = async (origin, provider, page, user, to) => {
  await page.goto(to);
  await page.getByRole('link', { name: 'Sign in', exact: true }).click();
  await identifyAt(provider)(page, user);
  await page.waitForURL((url) => url.origin === origin && !url.pathname.includes('/-/'));
};

// Runs all checks and prints a line for each. Whether all were right.
export const report = async (checks) => {
  const all = Object.entries(checks);
  let failed = 0;
  for (const [name, check] of all) {
    try {
      await check();
      console.log(`ok     ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
  }
  console.log(`${all.length - failed} of ${all.length} passed`);
  return failed === 0;
};
