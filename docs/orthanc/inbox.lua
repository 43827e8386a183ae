-- Orthanc runs this: each MR series that has become stable goes into mriad's inbox as a folder.
--
-- Folder and files bear Orthanc's own ids, which are hashes: no name of a patient is in a path.
-- The folder is filled under a hidden name that mriad passes over; `.complete` is written into it
-- last, and then it gets its name in one step. Its name ends in the time of the series' last
-- change: slices that come later make a new folder, and nothing is ever overwritten.

local INBOX = assert(os.getenv('MRIAD_INBOX'), 'MRIAD_INBOX is not set')

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

local function write(path, bytes)
  local file = assert(io.open(path, 'wb'))
  assert(file:write(bytes))
  assert(file:close())
end

local function export(id)
  local series = ParseJson(RestApiGet('/series/' .. id))
  local name = id .. '-' .. series['LastUpdate']
  local hidden = INBOX .. '/.' .. name
  os.execute('umask 077 && mkdir -p ' .. quoted(hidden))
  for _, instance in ipairs(series['Instances']) do
    local bytes = assert(RestApiGet('/instances/' .. instance .. '/file'))
    write(hidden .. '/' .. instance .. '.dcm', bytes)
  end
  write(hidden .. '/.complete', '')
  assert(os.rename(hidden, INBOX .. '/' .. name))
end

function OnStableSeries(id, tags, metadata)
  if tags['Modality'] ~= 'MR' then
    return
  end
  local done, problem = pcall(export, id)
  if not done then
    print('mriad: series ' .. id .. ' was not exported: ' .. tostring(problem))
  end
end
