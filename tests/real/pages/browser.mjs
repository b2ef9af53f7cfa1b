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
