//! Test tool for the lab: Debian's Redis has no JSON commands, Redis 8 has. JSON.SET (root path only), JSON.GET and JSON.DEL on a
//! data type of its own, with RDB, AOF rewrite, replication and COPY. Its RDB records are not those of the real module.
use redis_module::{
    native_types::RedisType, raw, redis_module, AclCategory, Context, NextArg, RedisError, RedisResult, RedisString, RedisValue,
};
use serde_json::Value;
use std::os::raw::{c_int, c_void};

static JSON: RedisType = RedisType::new(
    "labjson-1",
    0,
    raw::RedisModuleTypeMethods {
        version: raw::REDISMODULE_TYPE_METHOD_VERSION as u64,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        free: Some(free),
        mem_usage: Some(mem_usage),
        copy: Some(copy),
        digest: None,
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        defrag: None,
        copy2: None,
        free_effort2: None,
        mem_usage2: None,
        unlink2: None,
        aux_save2: None,
    },
);

struct Doc(Value);

unsafe extern "C" fn rdb_load(rdb: *mut raw::RedisModuleIO, _version: c_int) -> *mut c_void {
    let parsed = raw::load_string_buffer(rdb).ok().and_then(|b| serde_json::from_slice(b.as_ref()).ok());
    parsed.map_or(std::ptr::null_mut(), |v| Box::into_raw(Box::new(Doc(v))).cast())
}
unsafe extern "C" fn rdb_save(rdb: *mut raw::RedisModuleIO, value: *mut c_void) {
    raw::save_string(rdb, &(*value.cast::<Doc>()).0.to_string());
}
unsafe extern "C" fn aof_rewrite(aof: *mut raw::RedisModuleIO, key: *mut raw::RedisModuleString, value: *mut c_void) {
    let text = (*value.cast::<Doc>()).0.to_string();
    let emit = raw::RedisModule_EmitAOF.expect("server without EmitAOF");
    emit(aof, c"JSON.SET".as_ptr(), c"scb".as_ptr(), key, c".".as_ptr(), text.as_ptr(), text.len());
}
unsafe extern "C" fn free(value: *mut c_void) {
    drop(Box::from_raw(value.cast::<Doc>()));
}
unsafe extern "C" fn mem_usage(value: *const c_void) -> usize {
    (*value.cast::<Doc>()).0.to_string().len() + std::mem::size_of::<Doc>()
}
unsafe extern "C" fn copy(
    _from: *mut raw::RedisModuleString,
    _to: *mut raw::RedisModuleString,
    value: *const c_void,
) -> *mut c_void {
    Box::into_raw(Box::new(Doc((*value.cast::<Doc>()).0.clone()))).cast()
}

/// `.` and `$` are the root; `.a.b` gives the value, `$.a.b` a list of what matched, as the real module answers.
fn select<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    let steps = path.strip_prefix('$').unwrap_or(path);
    steps.split('.').filter(|s| !s.is_empty()).try_fold(root, |at, step| at.get(step))
}

fn json_set(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let (key, path, text) = (args.next_arg()?, args.next_str()?, args.next_str()?);
    args.done()?;
    if !matches!(path, "." | "$") {
        return Err(RedisError::Str("ERR this test module sets the root path only"));
    }
    let value: Value = serde_json::from_str(text).map_err(|e| RedisError::String(format!("ERR invalid JSON: {e}")))?;
    let key = ctx.open_key_writable(&key);
    match key.get_value::<Doc>(&JSON)? {
        Some(doc) => doc.0 = value, // keeps the expiry, as the real module does
        None => key.set_value(&JSON, Doc(value))?,
    }
    ctx.replicate_verbatim();
    Ok(RedisValue::SimpleStringStatic("OK"))
}

fn json_get(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let key = args.next_arg()?;
    let path = args.next_str().unwrap_or(".");
    args.done()?;
    let key = ctx.open_key(&key);
    let Some(doc) = key.get_value::<Doc>(&JSON)? else { return Ok(RedisValue::Null) };
    match (select(&doc.0, path), path.starts_with('$')) {
        (Some(value), false) => Ok(value.to_string().into()),
        (Some(value), true) => Ok(format!("[{value}]").into()),
        (None, true) => Ok("[]".into()),
        (None, false) => Err(RedisError::String(format!("ERR Path '{path}' does not exist"))),
    }
}

fn json_del(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let key = ctx.open_key_writable(&args.next_arg()?);
    if key.get_value::<Doc>(&JSON)?.is_none() {
        return Ok(0i64.into());
    }
    key.delete()?;
    ctx.replicate_verbatim();
    Ok(1i64.into())
}

redis_module! {
    name: "ReJSON",
    version: 1,
    allocator: (redis_module::alloc::RedisAlloc, redis_module::alloc::RedisAlloc),
    data_types: [JSON],
    acl_categories: ["json",],
    commands: [
        ["json.set", json_set, "write deny-oom", 1, 1, 1, "json"],
        ["json.get", json_get, "readonly", 1, 1, 1, "json"],
        ["json.del", json_del, "write", 1, 1, 1, "json"],
    ],
}
