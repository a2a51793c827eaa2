// jsforce judges the simulated Salesforce.
//
// Reads the simulator's address and credentials from TANDEM_SIM (the JSON line that `tandem sim
// salesforce` prints) and jsforce from TANDEM_WITNESS (what `scripts/witnesses --path` prints), says
// what passed, and fails if anything did not.

import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.env.TANDEM_WITNESS, 'npm', 'index.js'));
const jsforce = require('jsforce');

const sim = JSON.parse(process.env.TANDEM_SIM);
const run = `js-${process.pid}`;
const results = { passed: 0, failed: 0 };

function check(name, truth) {
  results[truth ? 'passed' : 'failed'] += 1;
  if (!truth) console.error(`FAILED ${name}`);
}

/** The call is refused under this error name. */
async function refused(name, code, call) {
  try {
    await call();
    check(`${name}: was not refused`, false);
  } catch (error) {
    const found = error.errorCode ?? error.name;
    check(`${name}: ${found}`, found === code);
  }
}

function connection(clientSecret = sim.client_secret, options = {}) {
  const oauth2 = { loginUrl: sim.url, clientId: sim.client_id, clientSecret };
  return new jsforce.Connection({ oauth2, version: '60.0', ...options });
}

async function logIn(options) {
  const conn = connection(sim.client_secret, options);
  const user = await conn.authorize({ grant_type: 'client_credentials' });
  return { conn, user };
}

async function session() {
  await refused('a wrong secret', 'invalid_client', () => connection('wrong').authorize({ grant_type: 'client_credentials' }));
  const { conn, user } = await logIn();
  check('the instance is the address that was asked', conn.instanceUrl === sim.url);
  check('who we are', (await conn.identity()).user_id === user.id);
  check('usage is told', conn.limitInfo.apiUsage.used >= 1 && conn.limitInfo.apiUsage.limit > 1);
  const names = (await conn.describeGlobal()).sobjects.map((entry) => entry.name);
  check('global describe', names.includes('Account') && names.includes('Contact'));
  const key = (await conn.describe('Contact')).fields.find((field) => field.name === 'Ivvy_Id__c');
  check('the key is an external id', key.externalId && key.unique);

  let renewals = 0;
  const refreshFn = (_, callback) => {
    renewals += 1;
    logIn().then(({ conn: fresh }) => callback(null, fresh.accessToken), callback);
  };
  const stale = new jsforce.Connection({ instanceUrl: sim.url, accessToken: 'stale', version: '60.0', refreshFn });
  await stale.query('SELECT Id FROM Contact LIMIT 1');
  check('an ended session is renewed', renewals === 1);
  const lost = new jsforce.Connection({ instanceUrl: sim.url, accessToken: 'stale', version: '60.0' });
  await refused('an ended session', 'INVALID_SESSION_ID', () => lost.query('SELECT Id FROM Contact'));
  return conn;
}

async function records(conn) {
  const Contact = conn.sobject('Contact');
  const created = await Contact.upsert({ Ivvy_Id__c: `${run}-1`, LastName: 'Ōta', FirstName: 'Zoë' }, 'Ivvy_Id__c');
  check('upsert creates', created.success && created.created && created.id.length === 18);
  const again = await Contact.upsert({ Ivvy_Id__c: `${run}-1`, Phone: '+64 9 1' }, 'Ivvy_Id__c');
  check('upsert updates', again.success && again.id === created.id && again.created === false);
  check('update', (await Contact.update({ Id: created.id, Email: 'zoe@venue.example' })).success);
  const read = await Contact.retrieve(created.id);
  check('all three met one record', read.Name === 'Zoë Ōta' && read.Email === 'zoe@venue.example' && read.Phone === '+64 9 1');

  const made = await Contact.create([{ LastName: 'List A' }, { FirstName: 'List B' }, { LastName: 'List C' }]);
  check('list create, in order', made.map((item) => item.success).join() === 'true,false,true');
  check('item error', made[1].errors[0].statusCode === 'REQUIRED_FIELD_MISSING' && made[1].errors[0].fields[0] === 'LastName');
  const ids = [made[0].id, made[2].id];
  const updated = await Contact.update(ids.map((Id) => ({ Id, FirstName: 'Changed' })));
  check('list update', updated.every((item) => item.success));
  const both = await Contact.retrieve(ids, { fields: ['Id', 'FirstName'] });
  check('list retrieve', both.every((row) => row.FirstName === 'Changed'));
  const upserted = await Contact.upsert(
    [{ Ivvy_Id__c: `${run}-1`, LastName: 'Ōta' }, { Ivvy_Id__c: `${run}-2`, LastName: 'New' }],
    'Ivvy_Id__c',
  );
  check('list upsert', upserted.map((item) => item.created).join() === 'false,true');
  const undone = await Contact.update(
    [{ Id: ids[0], FirstName: 'Undone' }, { Id: ids[1], LastName: 'x'.repeat(81) }],
    { allOrNone: true },
  );
  check('all or none', undone[0].errors[0].statusCode === 'ALL_OR_NONE_OPERATION_ROLLED_BACK');
  check('nothing stays', (await Contact.retrieve(ids[0])).FirstName === 'Changed');
  const gone = await Contact.destroy(ids);
  check('list delete', gone.every((item) => item.success));
  await refused('a deleted record', 'ENTITY_IS_DELETED', () => Contact.retrieve(ids[0]));
  return { living: created.id, dead: ids[0] };
}

async function conditional(conn, id) {
  const Contact = conn.sobject('Contact');
  const changed = Date.parse((await Contact.retrieve(id)).LastModifiedDate);
  const write = (at, FirstName) => {
    const headers = { 'If-Unmodified-Since': new Date(at).toUTCString() };
    return Contact.update({ Id: id, FirstName }, { headers });
  };
  check('a write that names the present stamp', (await write(changed, 'Fresh')).success);
  const edit = { object: 'Contact', id, fields: { FirstName: 'Theirs' } };
  const headers = { 'Content-Type': 'application/json' };
  await fetch(`${sim.url}/_sim/edit`, { method: 'POST', headers, body: JSON.stringify(edit) });
  await refused('a stale write', 'PRECONDITION_FAILED', () => write(changed - 1000, 'Stale'));
  check('their value stands', (await Contact.retrieve(id)).FirstName === 'Theirs');
}

async function queries(conn) {
  const Contact = conn.sobject('Contact');
  const people = Array.from({ length: 250 }, (_, number) => ({ Ivvy_Id__c: `${run}-p${number}`, LastName: `Page ${number}` }));
  const made = await Contact.upsert(people, 'Ivvy_Id__c', { allowRecursive: true });
  check('more than 200 in one call of the client', made.length === 250 && made.every((item) => item.created));
  const soql = `SELECT Id FROM Contact WHERE Ivvy_Id__c LIKE '${run}-p%' ORDER BY SystemModstamp, Id`;
  const headers = { 'Sforce-Query-Options': 'batchSize=200' };
  const first = await conn.query(soql, { headers });
  check('first page', !first.done && first.records.length === 200 && first.totalSize === 250);
  const rest = await conn.queryMore(first.nextRecordsUrl);
  check('second page', rest.done && rest.records.length === 50);
  const all = await conn.query(soql, { headers, autoFetch: true, maxFetch: 1000 });
  check('all pages', new Set(all.records.map((row) => row.Id)).size === 250);
  const since = jsforce.SfDate.toDateTimeLiteral(new Date(Date.now() - 600_000));
  const found = await Contact.find({ LastName: { $like: 'Page 1%' }, SystemModstamp: { $gte: since } }, ['Id', 'LastName'])
    .sort({ LastName: 1 })
    .limit(3);
  check('the query builder', found.length === 3 && found[0].LastName === 'Page 1');
  const count = await Contact.count({ Ivvy_Id__c: { $like: `${run}-p%` } });
  check('count', count === 250);
}

async function feeds(conn, { living, dead }) {
  const window = [new Date(Date.now() - 600_000), new Date(Date.now() + 120_000)];
  const Contact = conn.sobject('Contact');
  const updated = await Contact.updated(...window);
  check('updated', updated.ids.includes(living) && !updated.ids.includes(dead));
  const deleted = await Contact.deleted(...window);
  check('deleted', deleted.deletedRecords.some((entry) => entry.id === dead));
  check('covered', Date.parse(deleted.earliestDateAvailable) < Date.parse(deleted.latestDateCovered));
  const old = await conn.query(`SELECT Id, IsDeleted FROM Contact WHERE Id = '${dead}'`, { scanAll: true });
  check('queryAll shows it', old.records[0]?.IsDeleted === true);
}

async function refusals(conn) {
  const Contact = conn.sobject('Contact');
  await refused('syntax', 'MALFORMED_QUERY', () => conn.query('SELECT Id FROM Contact WHERE'));
  await refused('column', 'INVALID_FIELD', () => conn.query('SELECT Nope FROM Contact'));
  await refused('object', 'INVALID_TYPE', () => conn.query('SELECT Id FROM Nope'));
  await refused('too long', 'STRING_TOO_LONG', () => Contact.create({ LastName: 'x'.repeat(81) }));
  await refused('taken', 'DUPLICATE_VALUE', () => Contact.create({ LastName: 'A', Ivvy_Id__c: `${run}-1` }));
  await refused('malformed id', 'MALFORMED_ID', () => Contact.update({ Id: 'nonsense', LastName: 'A' }));
  await refused('no such record', 'NOT_FOUND', () => Contact.retrieve('0035g00000zzzzz'));
}

const conn = await session();
const ids = await records(conn);
await conditional(conn, ids.living);
await queries(conn);
await feeds(conn, ids);
await refusals(conn);
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed ? 1 : 0;
