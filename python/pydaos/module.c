/* pydaos._module: the calls of libdaos that the Python classes of this package stand on. Handles
 * are integers; errors are RuntimeError(number, what). Buffers are used in place; the interpreter's
 * lock is let go while a call waits. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <daos.h>
#include <daos_array.h>
#include <daos_kv.h>
#include <stdlib.h>
#include <string.h>

enum { kInFlightMax = 64, kFirstBytes = 4096, kKeysAtOnce = 128 };

static PyObject* failure(int number, const char* what) {
  PyObject* arguments = Py_BuildValue("(is)", number, what);
  if (arguments) PyErr_SetObject(PyExc_RuntimeError, arguments);
  Py_XDECREF(arguments);
  return NULL;
}

static daos_handle_t handle_of(unsigned long long cookie) {
  daos_handle_t handle;
  handle.cookie = cookie;
  return handle;
}

static PyObject* container_open(PyObject* self, PyObject* args) {
  const char *pool_name, *name;
  daos_handle_t pool, container;
  daos_cont_info_t info;
  daos_prop_t* query = NULL;
  unsigned long long layout = 0;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "ss", &pool_name, &name)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  result = daos_pool_connect(pool_name, NULL, DAOS_PC_RW, &pool, NULL, NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the pool cannot be connected");
  query = daos_prop_alloc(1);
  if (query) query->dpp_entries[0].dpe_type = DAOS_PROP_CO_LAYOUT_TYPE;
  Py_BEGIN_ALLOW_THREADS
  result = daos_cont_open(pool, name, DAOS_COO_RW, &container, NULL, NULL);
  if (!result) result = daos_cont_query(container, &info, query, NULL);
  Py_END_ALLOW_THREADS
  if (!result && query) layout = query->dpp_entries[0].dpe_val;
  if (query) daos_prop_free(query);
  if (result) {
    daos_pool_disconnect(pool, NULL);
    return failure(result, "the container cannot be opened");
  }
  return Py_BuildValue("(KKK)", (unsigned long long)pool.cookie,
                       (unsigned long long)container.cookie, layout);
}

static PyObject* container_close(PyObject* self, PyObject* args) {
  unsigned long long pool, container;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "KK", &pool, &container)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  result = daos_cont_close(handle_of(container), NULL);
  daos_pool_disconnect(handle_of(pool), NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the container cannot be closed");
  Py_RETURN_NONE;
}

/* (container, low, type, class) -> (low, high); low 0: a new number. */
static PyObject* object_id(PyObject* self, PyObject* args) {
  unsigned long long container, low;
  unsigned int type, object_class;
  daos_obj_id_t oid = {0, 0};
  uint64_t number;
  int result = 0;
  (void)self;
  if (!PyArg_ParseTuple(args, "KKII", &container, &low, &type, &object_class)) return NULL;
  number = low;
  Py_BEGIN_ALLOW_THREADS
  if (!number) result = daos_cont_alloc_oids(handle_of(container), 1, &number, NULL);
  oid.lo = number;
  if (!result)
    result = daos_obj_generate_oid(handle_of(container), &oid, (enum daos_otype_t)type,
                                   (daos_oclass_id_t)object_class, 0, 0);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "no object id can be made");
  return Py_BuildValue("(KK)", (unsigned long long)oid.lo, (unsigned long long)oid.hi);
}

static PyObject* kv_open(PyObject* self, PyObject* args) {
  unsigned long long container, low, high;
  daos_obj_id_t oid;
  daos_handle_t opened;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "KKK", &container, &low, &high)) return NULL;
  oid.lo = low;
  oid.hi = high;
  Py_BEGIN_ALLOW_THREADS
  result = daos_kv_open(handle_of(container), oid, DAOS_OO_RW, &opened, NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the dictionary cannot be opened");
  return PyLong_FromUnsignedLongLong(opened.cookie);
}

static PyObject* kv_close(PyObject* self, PyObject* args) {
  unsigned long long kv;
  (void)self;
  if (!PyArg_ParseTuple(args, "K", &kv)) return NULL;
  daos_kv_close(handle_of(kv), NULL);
  Py_RETURN_NONE;
}

static PyObject* kv_destroy(PyObject* self, PyObject* args) {
  unsigned long long kv;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "K", &kv)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  result = daos_kv_destroy(handle_of(kv), DAOS_TX_NONE, NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the dictionary cannot be removed");
  Py_RETURN_NONE;
}

/* Up to kInFlightMax requests side by side on a queue of their own. */
typedef struct {
  daos_event_t event;
  const char* key;
  Py_buffer view;  /* put */
  void* buffer;    /* get */
  daos_size_t size;
  int result;
} Request;

typedef enum { kPut, kGet, kRemove } Operation;

static int start(Operation operation, daos_handle_t kv, Request* request) {
  if (operation == kPut)
    return daos_kv_put(kv, DAOS_TX_NONE, 0, request->key, request->view.len, request->view.buf,
                       &request->event);
  if (operation == kGet)
    return daos_kv_get(kv, DAOS_TX_NONE, 0, request->key, &request->size, request->buffer,
                       &request->event);
  return daos_kv_remove(kv, DAOS_TX_NONE, 0, request->key, &request->event);
}

/* Waits for all that were begun, whatever happens: they use the caller's memory. */
static int run(Operation operation, daos_handle_t kv, Request* requests, int count) {
  daos_handle_t queue;
  daos_event_t* done[kInFlightMax];
  int begun = 0, ended = 0, i, result = daos_eq_create(&queue);
  if (result) return result;
  for (i = 0; i < count; ++i) {
    requests[i].result = daos_event_init(&requests[i].event, queue, NULL);
    if (requests[i].result) continue;
    requests[i].result = start(operation, kv, &requests[i]);
    if (requests[i].result == 0) ++begun;
  }
  while (ended < begun) {
    const int got = daos_eq_poll(queue, 1, DAOS_EQ_WAIT, kInFlightMax, done);
    if (got < 0) return got;
    ended += got;
  }
  for (i = 0; i < count; ++i) {
    if (requests[i].result == 0) requests[i].result = requests[i].event.ev_error;
    daos_event_fini(&requests[i].event);
  }
  return daos_eq_destroy(queue, 0);
}

static void release(Request* requests, int count) {
  int i;
  for (i = 0; i < count; ++i) {
    if (requests[i].view.obj) PyBuffer_Release(&requests[i].view);
    free(requests[i].buffer);
  }
  free(requests);
}

/* The first result that is bad and not "there is none". */
static int first_failure(const Request* requests, int count) {
  int i;
  for (i = 0; i < count; ++i)
    if (requests[i].result && requests[i].result != -DER_NONEXIST) return requests[i].result;
  return 0;
}

static PyObject* kv_change(PyObject* self, PyObject* args, Operation operation) {
  unsigned long long kv;
  PyObject *keys, *values = NULL;
  Py_ssize_t at, total;
  (void)self;
  if (!PyArg_ParseTuple(args, operation == kPut ? "KO!O!" : "KO!", &kv, &PyList_Type, &keys,
                        &PyList_Type, &values))
    return NULL;
  total = PyList_Size(keys);
  if (values && PyList_Size(values) != total) return failure(-DER_INVAL, "as many keys as values");
  for (at = 0; at < total; at += kInFlightMax) {
    const int count = (int)(total - at < kInFlightMax ? total - at : kInFlightMax);
    Request* requests = calloc((size_t)count, sizeof *requests);
    int i, result = 0;
    if (!requests) return PyErr_NoMemory();
    for (i = 0; i < count; ++i) {
      requests[i].key = PyUnicode_AsUTF8AndSize(PyList_GetItem(keys, at + i), NULL);
      if (!requests[i].key ||
          (values && PyObject_GetBuffer(PyList_GetItem(values, at + i), &requests[i].view,
                                        PyBUF_C_CONTIGUOUS))) {
        release(requests, count);
        return NULL;
      }
    }
    Py_BEGIN_ALLOW_THREADS
    result = run(operation, handle_of(kv), requests, count);
    Py_END_ALLOW_THREADS
    if (!result) result = first_failure(requests, count);
    release(requests, count);
    if (result) return failure(result, "a change of the dictionary failed");
  }
  Py_RETURN_NONE;
}

static PyObject* kv_put(PyObject* self, PyObject* args) { return kv_change(self, args, kPut); }
static PyObject* kv_remove(PyObject* self, PyObject* args) {
  return kv_change(self, args, kRemove);
}

/* Values that are longer than the first buffer are asked for again, with one that fits. */
static int get_all(daos_handle_t kv, Request* requests, int count) {
  int i, result = run(kGet, kv, requests, count);
  for (i = 0; i < count && !result; ++i) {
    void* larger;
    while (requests[i].result == -DER_REC2BIG && !result) {
      larger = realloc(requests[i].buffer, requests[i].size);
      if (!larger) return -DER_NOMEM;
      requests[i].buffer = larger;
      result = run(kGet, kv, &requests[i], 1);
    }
  }
  return result ? result : first_failure(requests, count);
}

/* (kv, keys) -> values, None where there is none. */
static PyObject* kv_get(PyObject* self, PyObject* args) {
  unsigned long long kv;
  PyObject *keys, *values;
  Py_ssize_t at, total;
  (void)self;
  if (!PyArg_ParseTuple(args, "KO!", &kv, &PyList_Type, &keys)) return NULL;
  total = PyList_Size(keys);
  values = PyList_New(0);
  for (at = 0; values && at < total; at += kInFlightMax) {
    const int count = (int)(total - at < kInFlightMax ? total - at : kInFlightMax);
    Request* requests = calloc((size_t)count, sizeof *requests);
    int i, result = requests ? 0 : -DER_NOMEM;
    for (i = 0; i < count && !result; ++i) {
      requests[i].key = PyUnicode_AsUTF8AndSize(PyList_GetItem(keys, at + i), NULL);
      requests[i].buffer = malloc(kFirstBytes);
      requests[i].size = kFirstBytes;
      if (!requests[i].buffer || !requests[i].key) result = -DER_INVAL;
    }
    if (!result) {
      Py_BEGIN_ALLOW_THREADS
      result = get_all(handle_of(kv), requests, count);
      Py_END_ALLOW_THREADS
    }
    for (i = 0; i < count && !result; ++i) {
      const int none = requests[i].result == -DER_NONEXIST || requests[i].size == 0;
      PyObject* value = none ? Py_NewRef(Py_None)
                             : PyBytes_FromStringAndSize(requests[i].buffer,
                                                         (Py_ssize_t)requests[i].size);
      if (!value || PyList_Append(values, value)) result = -DER_NOMEM;
      Py_XDECREF(value);
    }
    if (requests) release(requests, count);
    if (!result) continue;
    Py_CLEAR(values);
    if (!PyErr_Occurred()) failure(result, "values of the dictionary cannot be read");
  }
  return values;
}

/* (kv, anchor bytes or None) -> (keys, anchor bytes, end). */
static PyObject* kv_list(PyObject* self, PyObject* args) {
  static const size_t kRoom = 64 * 1024;
  unsigned long long kv;
  const char* before;
  Py_ssize_t length;
  daos_anchor_t anchor;
  daos_key_desc_t descriptors[kKeysAtOnce];
  uint32_t count = kKeysAtOnce, i;
  d_iov_t piece;
  d_sg_list_t room = {1, 0, &piece};
  PyObject* keys;
  char *buffer, *at;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "Kz#", &kv, &before, &length)) return NULL;
  memset(&anchor, 0, sizeof anchor);
  if (before && length != (Py_ssize_t)sizeof anchor) return failure(-DER_INVAL, "a bad anchor");
  if (before) memcpy(&anchor, before, sizeof anchor);
  buffer = malloc(kRoom);
  if (!buffer) return PyErr_NoMemory();
  d_iov_set(&piece, buffer, kRoom);
  Py_BEGIN_ALLOW_THREADS
  result = daos_kv_list(handle_of(kv), DAOS_TX_NONE, &count, descriptors, &room, &anchor, NULL);
  Py_END_ALLOW_THREADS
  keys = result ? NULL : PyList_New(0);
  for (i = 0, at = buffer; keys && i < count; at += descriptors[i++].kd_key_len) {
    PyObject* key = PyUnicode_FromStringAndSize(at, (Py_ssize_t)descriptors[i].kd_key_len);
    if (!key || PyList_Append(keys, key)) Py_CLEAR(keys);
    Py_XDECREF(key);
  }
  free(buffer);
  if (result) return failure(result, "the dictionary cannot be listed");
  if (!keys) return NULL;
  return Py_BuildValue("(Ny#i)", keys, (const char*)&anchor, (Py_ssize_t)sizeof anchor,
                       daos_anchor_is_eof(&anchor) ? 1 : 0);
}

/* (container, low, high, cell bytes, chunk cells) -> handle. */
static PyObject* array_open(PyObject* self, PyObject* args) {
  unsigned long long container, low, high, cell, chunk;
  daos_obj_id_t oid;
  daos_handle_t opened;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "KKKKK", &container, &low, &high, &cell, &chunk)) return NULL;
  oid.lo = low;
  oid.hi = high;
  Py_BEGIN_ALLOW_THREADS
  result = daos_array_open_with_attr(handle_of(container), oid, DAOS_TX_NONE, DAOS_OO_RW, cell,
                                     chunk, &opened, NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the array cannot be opened");
  return PyLong_FromUnsignedLongLong(opened.cookie);
}

static PyObject* array_close(PyObject* self, PyObject* args) {
  unsigned long long array;
  (void)self;
  if (!PyArg_ParseTuple(args, "K", &array)) return NULL;
  daos_array_close(handle_of(array), NULL);
  Py_RETURN_NONE;
}

static PyObject* array_destroy(PyObject* self, PyObject* args) {
  unsigned long long array;
  int result;
  (void)self;
  if (!PyArg_ParseTuple(args, "K", &array)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  result = daos_array_destroy(handle_of(array), DAOS_TX_NONE, NULL);
  Py_END_ALLOW_THREADS
  if (result) return failure(result, "the array cannot be removed");
  Py_RETURN_NONE;
}

/* (array, first cell, cells, buffer): the buffer's memory is what goes over the wire. */
static PyObject* array_move(PyObject* args, int writes) {
  unsigned long long array, first, cells;
  PyObject* object;
  Py_buffer view;
  daos_range_t range;
  daos_array_iod_t ranges;
  d_iov_t piece;
  d_sg_list_t memory = {1, 0, &piece};
  int result;
  if (!PyArg_ParseTuple(args, "KKKO", &array, &first, &cells, &object)) return NULL;
  if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS | (writes ? 0 : PyBUF_WRITABLE)))
    return NULL;
  memset(&ranges, 0, sizeof ranges);
  range.rg_idx = first;
  range.rg_len = cells;
  ranges.arr_nr = 1;
  ranges.arr_rgs = &range;
  d_iov_set(&piece, view.buf, (size_t)view.len);
  Py_BEGIN_ALLOW_THREADS
  result = writes ? daos_array_write(handle_of(array), DAOS_TX_NONE, &ranges, &memory, NULL)
                  : daos_array_read(handle_of(array), DAOS_TX_NONE, &ranges, &memory, NULL);
  Py_END_ALLOW_THREADS
  PyBuffer_Release(&view);
  if (result) return failure(result, writes ? "the array cannot be written"
                                            : "the array cannot be read");
  Py_RETURN_NONE;
}
static PyObject* array_write(PyObject* self, PyObject* args) {
  (void)self;
  return array_move(args, 1);
}
static PyObject* array_read(PyObject* self, PyObject* args) {
  (void)self;
  return array_move(args, 0);
}

static PyMethodDef methods[] = {
    {"container_open", container_open, METH_VARARGS, NULL},
    {"container_close", container_close, METH_VARARGS, NULL},
    {"object_id", object_id, METH_VARARGS, NULL},
    {"kv_open", kv_open, METH_VARARGS, NULL},
    {"kv_close", kv_close, METH_VARARGS, NULL},
    {"kv_destroy", kv_destroy, METH_VARARGS, NULL},
    {"kv_put", kv_put, METH_VARARGS, NULL},
    {"kv_get", kv_get, METH_VARARGS, NULL},
    {"kv_remove", kv_remove, METH_VARARGS, NULL},
    {"kv_list", kv_list, METH_VARARGS, NULL},
    {"array_open", array_open, METH_VARARGS, NULL},
    {"array_close", array_close, METH_VARARGS, NULL},
    {"array_destroy", array_destroy, METH_VARARGS, NULL},
    {"array_write", array_write, METH_VARARGS, NULL},
    {"array_read", array_read, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static void end(void* module) {
  (void)module;
  daos_fini();
}

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_module", NULL, 0, methods,
                                        NULL, NULL, NULL, end};

PyMODINIT_FUNC PyInit__module(void) {
  const int result = daos_init();
  if (result) return failure(result, "the client library does not start");
  return PyModule_Create(&definition);
}
