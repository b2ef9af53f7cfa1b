// What tools and prompts answer with.

// A picture of one red pixel, and a sound of no length.
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const SILENCE = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

export const text = (text) => ({ type: 'text', text });
export const image = { type: 'image', data: PIXEL, mimeType: 'image/png' };
export const audio = { type: 'audio', data: SILENCE, mimeType: 'audio/wav' };
export const embedded = (uri, text, mimeType = 'text/plain') => ({ type: 'resource', resource: { uri, mimeType, text } });

export const says = (...content) => ({ content: content.map((part) => (typeof part === 'string' ? text(part) : part)) });
